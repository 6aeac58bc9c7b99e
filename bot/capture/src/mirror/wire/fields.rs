//! Reading the fields of a body, one after the other.

/// A body that does not hold what its kind says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// It ends too soon.
    #[error("the body ends within the field `{0}`")]
    Short(&'static str),
    /// It goes on after its last field.
    #[error("{0} bytes follow the last field")]
    Long(usize),
    /// A field has a value that it cannot have.
    #[error("`{field}` is {found}: {expected}")]
    Value {
        field: &'static str,
        /// What it holds.
        found: u64,
        /// What it may hold.
        expected: &'static str,
    },
    /// A text is no UTF-8.
    #[error("`{0}` is no UTF-8 text")]
    Text(&'static str),
    /// A text is longer than allowed.
    #[error("`{field}` has {found} bytes, and at most {most} are taken")]
    TooLong {
        field: &'static str,
        found: usize,
        /// How many it may have.
        most: usize,
    },
}

/// What of a body is still to be read.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn bytes<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], FieldError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(FieldError::Short(field))?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, FieldError> {
        self.bytes(field).map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self, field: &'static str) -> Result<u16, FieldError> {
        self.bytes(field).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, FieldError> {
        self.bytes(field).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, field: &'static str) -> Result<u64, FieldError> {
        self.bytes(field).map(u64::from_le_bytes)
    }

    /// A byte that is 0 or 1.
    pub(super) fn flag(&mut self, field: &'static str) -> Result<bool, FieldError> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            found => Err(FieldError::Value { field, found: found.into(), expected: "it must be 0 or 1" }),
        }
    }

    /// Two bytes of length, then as many bytes.
    pub(super) fn blob(&mut self, field: &'static str, most: usize) -> Result<&'a [u8], FieldError> {
        let found = usize::from(self.u16(field)?);
        if found > most {
            return Err(FieldError::TooLong { field, found, most });
        }
        let (taken, rest) = self.0.split_at_checked(found).ok_or(FieldError::Short(field))?;
        self.0 = rest;
        Ok(taken)
    }

    /// The same, in UTF-8.
    pub(super) fn text(&mut self, field: &'static str, most: usize) -> Result<&'a str, FieldError> {
        std::str::from_utf8(self.blob(field, most)?).map_err(|_| FieldError::Text(field))
    }

    /// Everything that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), FieldError> {
        if self.0.is_empty() { Ok(()) } else { Err(FieldError::Long(self.0.len())) }
    }
}

/// Writes what [`Fields::blob`] reads, cut to `most` bytes.
pub(super) fn put_blob(bytes: &[u8], most: usize, out: &mut Vec<u8>) {
    let kept = &bytes[..bytes.len().min(most)];
    out.extend_from_slice(&(kept.len() as u16).to_le_bytes());
    out.extend_from_slice(kept);
}

/// Writes what [`Fields::text`] reads, cut to `most` bytes at a character's edge.
pub(super) fn put_text(text: &str, most: usize, out: &mut Vec<u8>) {
    put_blob(&text.as_bytes()[..text.floor_char_boundary(most)], most, out);
}
