//! Reads what the server needs of a commit: it is signed and not encrypted, so epoch, sender and the proposals that it
//! covers stand in the open. openmls gives these out only to members of a group, hence this small reader.
//! RFC 9420, sections 6 and 12.4; variable-length vectors as in section 2.1.2.
use openmls::prelude::tls_codec::DeserializeBytes;
use openmls::prelude::{MlsMessageIn, Welcome};

use super::guard;

/// A commit's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommitHeader {
    pub(crate) group_id: Vec<u8>,
    pub(crate) epoch: u64,
    /// The committer's leaf.
    pub(crate) leaf: u32,
    /// The proposals it covers, by reference, in the order in which they are applied.
    pub(crate) refs: Vec<Vec<u8>>,
    /// Whether it has proposals of its own besides them.
    pub(crate) inline: bool,
}

/// Splits binary 28 into the commit and the welcome, which may be missing. Both are whole, as far as their form goes.
pub(crate) fn split(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest =
        guard::read(|| MlsMessageIn::tls_deserialize_bytes(payload).map(|(_, rest)| rest.len())).ok()?;
    let (commit, welcome) = payload.split_at(payload.len() - rest);
    if !welcome.is_empty() {
        guard::read(|| Welcome::tls_deserialize_exact_bytes(welcome)).ok()?;
    }
    Some((commit, welcome))
}

/// Reads a commit.
pub(crate) fn commit(message: &[u8]) -> Option<CommitHeader> {
    const MLS_1_0: u16 = 1;
    const PUBLIC_MESSAGE: u16 = 1;
    const MEMBER: u8 = 1;
    const COMMIT: u8 = 3;
    const REFERENCE: u8 = 2;
    let mut reader = Reader(message);
    if reader.u16()? != MLS_1_0 || reader.u16()? != PUBLIC_MESSAGE {
        return None;
    }
    let group_id = reader.vector()?.to_vec();
    let epoch = u64::from_be_bytes(reader.array()?);
    if reader.u8()? != MEMBER {
        return None;
    }
    let leaf = u32::from_be_bytes(reader.array()?);
    let _authenticated_data = reader.vector()?;
    if reader.u8()? != COMMIT {
        return None;
    }
    let mut proposals = Reader(reader.vector()?);
    let mut header = CommitHeader { group_id, epoch, leaf, refs: Vec::new(), inline: false };
    while !proposals.0.is_empty() {
        if proposals.u8()? == REFERENCE {
            header.refs.push(proposals.vector()?.to_vec());
        } else {
            // A proposal by value has no length; what comes after it cannot be read, and need not be.
            header.inline = true;
            break;
        }
    }
    Some(header)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// A vector with a length as in QUIC: the first two bits say how many bytes the length has.
    fn vector(&mut self) -> Option<&'a [u8]> {
        let first = *self.0.first()?;
        let length = match first >> 6 {
            0 => usize::from(self.u8()?),
            1 => usize::from(self.u16()? & 0x3fff),
            2 => usize::try_from(u32::from_be_bytes(self.array()?) & 0x3fff_ffff).ok()?,
            _ => return None,
        };
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut message = vec![0, 1, 0, 1, 8];
        message.extend(7_u64.to_be_bytes());
        message.extend(3_u64.to_be_bytes());
        message.push(1);
        message.extend(2_u32.to_be_bytes());
        message.extend([0, 3]);
        message.push(6);
        message.extend([2, 2, 0xaa, 0xbb, 2, 0]);
        message.extend([0, 9, 9]);
        message
    }

    #[test]
    fn a_commits_epoch_sender_and_references_are_read() {
        let header = commit(&sample()).unwrap();
        assert_eq!((header.epoch, header.leaf, header.inline), (3, 2, false));
        assert_eq!(header.group_id, 7_u64.to_be_bytes());
        assert_eq!(header.refs, [vec![0xaa, 0xbb], vec![]]);
    }

    #[test]
    fn a_commit_cut_off_anywhere_is_refused() {
        let whole = sample();
        for end in 0..whole.len() - 3 {
            assert_eq!(commit(&whole[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn lengths_of_two_and_four_bytes_are_read() {
        let mut long = vec![0x41, 0x00];
        long.extend([5; 256]);
        assert_eq!(Reader(&long).vector().unwrap().len(), 256);
        let mut longer = vec![0x80, 0x00, 0x01, 0x00];
        longer.extend([5; 256]);
        assert_eq!(Reader(&longer).vector().unwrap().len(), 256);
        assert_eq!(Reader(&[0xc0, 0]).vector(), None);
    }
}
