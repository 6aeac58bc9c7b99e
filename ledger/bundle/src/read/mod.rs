//! Reading a sealed bundle, believing nothing unchecked.
pub(crate) mod digest_reader;
pub(crate) mod inspect;
pub(crate) mod packets;
pub(crate) mod pcm;
pub(crate) mod reader;
pub(crate) mod timeline;
