//! The control API: what [`crate::Handle`] does, over HTTP under `/sim`, in JSON, for tests in other languages and for
//! people with curl. It is on the same port as REST, on the loopback only.
mod calls;
mod commands;
mod faults;
mod reply;
mod routes;
mod speakers;
mod state;

pub(crate) use routes::router;
