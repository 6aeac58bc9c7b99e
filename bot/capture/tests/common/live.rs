//! An allocator that knows how much is held: what a process of tests or a benchmark keeps in memory.
#![allow(unsafe_code, reason = "an allocator is unsafe to write")]
#![allow(dead_code, unreachable_pub, reason = "each binary uses its part")]
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Hands everything on to the system's allocator.
pub struct Live;

static HELD: AtomicUsize = AtomicUsize::new(0);

/// Bytes that are held right now.
pub fn held() -> usize {
    HELD.load(Ordering::Relaxed)
}

// SAFETY: everything is handed on to the system's allocator unchanged; counting touches no memory of it.
unsafe impl GlobalAlloc for Live {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are System's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are System's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        HELD.fetch_add(size, Ordering::Relaxed);
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are System's.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
