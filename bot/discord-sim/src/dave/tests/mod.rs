//! The group against davey, the client side that songbird uses: `call` plays messages between them, `cases` are the
//! situations of a call, `random` is many random calls.
mod call;
mod cases;
mod random;
