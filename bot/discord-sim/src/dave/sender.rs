//! The group's external sender: the voice server's own key, with which it signs proposals.
use openmls::prelude::tls_codec::{DeserializeBytes, Serialize, VLBytes};
use openmls::prelude::{
    BasicCredential, Ciphersuite, Credential, ExternalProposal, ExternalSender, GroupEpoch, GroupId,
    KeyPackage, KeyPackageIn, LeafNodeIndex, MlsMessageOut, ProtocolVersion, SenderExtensionIndex,
};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;
use openmls_traits::OpenMlsProvider;
use sha2::{Digest, Sha256};

use super::guard;
use crate::ids::{ChannelId, UserId};

/// The ciphersuite of DAVE version 1.
const CIPHERSUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMP256_AES128GCM_SHA256_P256;

/// A proposal, signed, and the reference by which commits name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub(crate) message: Vec<u8>,
    pub(crate) reference: Vec<u8>,
}

/// A client's key package, checked.
#[derive(Clone, Debug)]
pub(crate) struct ClientKeys(KeyPackage);

/// Signs proposals for one call.
pub(crate) struct Sender {
    provider: OpenMlsRustCrypto,
    keys: SignatureKeyPair,
    group_id: GroupId,
    package: Vec<u8>,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("group_id", &self.group_id).finish_non_exhaustive()
    }
}

impl Sender {
    /// A new key for a call; the group's id is the channel's.
    pub(crate) fn new(channel: ChannelId) -> Result<Self, String> {
        let keys = SignatureKeyPair::new(CIPHERSUITE.signature_algorithm()).map_err(|e| format!("{e:?}"))?;
        let credential: Credential = BasicCredential::new(b"simulated voice server".to_vec()).into();
        let external = ExternalSender::new(keys.public().into(), credential);
        let package = external.tls_serialize_detached().map_err(|e| e.to_string())?;
        let group_id = GroupId::from_slice(&channel.0.to_be_bytes());
        Ok(Self { provider: OpenMlsRustCrypto::default(), keys, group_id, package })
    }

    /// What binary 25 carries.
    pub(crate) fn package(&self) -> &[u8] {
        &self.package
    }

    /// The group's id.
    pub(crate) fn group_id(&self) -> &[u8] {
        self.group_id.as_slice()
    }

    /// Checks a key package: its signatures, its ciphersuite, and that it is the user's own.
    pub(crate) fn check(&self, user: UserId, bytes: &[u8]) -> Result<ClientKeys, String> {
        let read = guard::read(|| KeyPackageIn::tls_deserialize_exact_bytes(bytes))?;
        let package = guard::read(|| read.validate(self.provider.crypto(), ProtocolVersion::Mls10))?;
        if package.ciphersuite() != CIPHERSUITE {
            return Err(format!("ciphersuite {:?} is not DAVE's", package.ciphersuite()));
        }
        if package.leaf_node().credential().serialized_content() != user.0.to_be_bytes() {
            return Err("its credential is not the user's id".to_owned());
        }
        Ok(ClientKeys(package))
    }

    /// Proposes to add a member.
    pub(crate) fn add(&self, epoch: u64, keys: &ClientKeys) -> Result<Proposal, String> {
        let message = ExternalProposal::new_add::<OpenMlsRustCrypto>(
            keys.0.clone(),
            self.group_id.clone(),
            GroupEpoch::from(epoch),
            &self.keys,
            SenderExtensionIndex::new(0),
        );
        proposal(&message.map_err(|e| e.to_string())?)
    }

    /// Proposes to remove a leaf.
    pub(crate) fn remove(&self, epoch: u64, leaf: u32) -> Result<Proposal, String> {
        let message = ExternalProposal::new_remove::<OpenMlsRustCrypto>(
            LeafNodeIndex::new(leaf),
            self.group_id.clone(),
            GroupEpoch::from(epoch),
            &self.keys,
            SenderExtensionIndex::new(0),
        );
        proposal(&message.map_err(|e| e.to_string())?)
    }
}

fn proposal(message: &MlsMessageOut) -> Result<Proposal, String> {
    let message = message.tls_serialize_detached().map_err(|e| e.to_string())?;
    let reference = reference(&message)?;
    Ok(Proposal { message, reference })
}

/// The reference of a proposal: a hash of its authenticated content, which for an external sender is the message
/// without the two bytes of its version. RFC 9420, section 5.2.
fn reference(message: &[u8]) -> Result<Vec<u8>, String> {
    let content = message.get(2..).ok_or("a proposal without content")?;
    let mut hash = Sha256::new();
    for part in [b"MLS 1.0 Proposal Reference".as_slice(), content] {
        hash.update(vector(part)?);
    }
    Ok(hash.finalize().to_vec())
}

/// Bytes with their length before them.
pub(crate) fn vector(bytes: &[u8]) -> Result<Vec<u8>, String> {
    VLBytes::new(bytes.to_vec()).tls_serialize_detached().map_err(|e| e.to_string())
}
