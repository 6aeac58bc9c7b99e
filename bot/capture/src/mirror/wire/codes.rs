//! Why something was refused.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $fatal:literal, $text:literal;)*) => {
        /// Why the server refuses something. The number is what travels.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ErrorCode {
            $($(#[$doc])* $name = $number,)*
        }

        impl ErrorCode {
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$name,)*];

            /// The code with a number.
            pub fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(ErrorCode::$name),)*
                    _ => None,
                }
            }

            /// Whether the connection ends with it.
            pub fn is_fatal(self) -> bool {
                match self {
                    $(ErrorCode::$name => $fatal,)*
                }
            }

            /// The name used in logs and metrics.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(ErrorCode::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    /// The connection does not begin with the preamble.
    NotMirror = 1, true, "not_mirror";
    /// A version that is not spoken here.
    Version = 2, true, "version";
    /// The token is wrong or missing.
    Token = 3, true, "token";
    /// Too many connections.
    Busy = 4, true, "busy";
    /// A frame longer than any may be.
    Oversized = 5, true, "oversized";
    /// The connection ended within a frame.
    Truncated = 6, true, "truncated";
    /// Nothing came for too long.
    Idle = 7, true, "idle";
    /// More frames were refused than are put up with.
    TooManyErrors = 8, true, "too_many_errors";
    /// The hello must come first, and once.
    Hello = 9, true, "hello";
    /// A frame of an unknown kind.
    UnknownKind = 32, false, "unknown_kind";
    /// A body that does not hold what its kind says.
    Malformed = 33, false, "malformed";
    /// A stream that was not declared, or is declared already.
    Stream = 34, false, "stream";
    /// A declaration that cannot be taken.
    Declaration = 35, false, "declaration";
    /// Sound that cannot be what its declaration says.
    Audio = 36, false, "audio";
    /// Another connection speaks for this user now.
    TakenOver = 37, false, "taken_over";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_from_its_number() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_number(*code as u16), Some(*code));
        }
        assert_eq!(ErrorCode::from_number(0), None);
    }
}
