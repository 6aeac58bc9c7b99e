//! A bundle in other forms: one archive, sound files, a mix, subtitles, an Audacity project's parts, a drawing.
//!
//! Every sound file begins with slot 0 and is as long as the session, so all of them line up as they are. Everything is
//! streamed, whatever the session's length; nothing is overwritten, and a file stands under its name only when it is whole.
mod archive;
mod audacity;
pub(crate) mod files;
mod flac;
mod form;
mod mix;
pub(crate) mod subtitles;
mod tracks;
pub(crate) mod voice;

pub use crate::draw::plot;
pub use archive::archive;
pub use audacity::audacity;
pub use flac::flac;
pub use form::{Exported, Form, write};
pub use mix::{Mix, mix};
pub use subtitles::{srt, vtt};
pub use tracks::{ogg, wav};
