//! What is done with recorded sessions on behalf of their guild.
use std::sync::Arc;

use antiphon_core::ids::{GuildId, SessionId};

use super::App;
use super::bundles::{self, Export, Listed, NotPacked, Packed, megabytes};
use super::links::{Format, Links};

impl App {
    /// A guild's recorded sessions, newest first.
    pub(crate) async fn bundles(&self, guild: GuildId) -> Vec<Listed> {
        let data = self.settings.data.clone();
        tokio::task::spawn_blocking(move || bundles::list(&data, guild)).await.unwrap_or_default()
    }

    /// A guild's recorded session: as a file of up to `limit` bytes, else by a link. Sessions of other guilds are not
    /// found.
    pub(crate) async fn export_bundle(
        &self,
        guild: GuildId,
        session: SessionId,
        limit: u64,
    ) -> Result<Export, String> {
        let packed = self.pack_bundle(guild, session).await.map_err(|why| why.to_string())?;
        let size = packed.size;
        if size <= limit {
            let read = tokio::task::spawn_blocking(move || bundles::read(packed)).await;
            let read = read.map_err(std::io::Error::other).and_then(|read| read);
            return read.map(Export::File).map_err(|error| NotPacked::io(session, &error).to_string());
        }
        match &self.links {
            Some(links) => {
                let (url, expires) = links.link(guild, session, Format::Archive, self.clock.now());
                Ok(Export::Link { url, expires, size })
            }
            None => Err(format!(
                "The archive has {:.1} MB and this server takes {:.1} MB. The operator can fetch it with `antiphon bundle export {session}`, or set ANTIPHON_PUBLIC_URL so that I can give links.",
                megabytes(size),
                megabytes(limit)
            )),
        }
    }

    /// A guild's recorded session as one archive on disk.
    pub(crate) async fn pack_bundle(&self, guild: GuildId, session: SessionId) -> Result<Packed, NotPacked> {
        let folder = bundles::folder(&self.settings.data, guild, session);
        tokio::task::spawn_blocking(move || bundles::pack(&folder, session))
            .await
            .unwrap_or_else(|error| Err(NotPacked::io(session, &std::io::Error::other(error))))
    }

    /// Whether a guild's session is recorded and whole, as far as its manifest's name says.
    pub(crate) async fn has_bundle(&self, guild: GuildId, session: SessionId) -> bool {
        let folder = bundles::folder(&self.settings.data, guild, session);
        tokio::fs::try_exists(folder.join("manifest.json")).await.unwrap_or(false)
    }

    /// Whether a guild's session is recorded and can be deleted; why not, when not.
    pub(crate) async fn may_delete(&self, guild: GuildId, session: SessionId) -> Result<(), String> {
        if self.sessions.of_guild(guild).is_some_and(|running| running.id() == session) {
            return Err("That session is still running. Use `/voice leave` first.".to_owned());
        }
        if self.bundles(guild).await.iter().any(|listed| listed.session == session) {
            Ok(())
        } else {
            Err(bundles::UNKNOWN.to_owned())
        }
    }

    /// Deletes a guild's recorded session. The ledger keeps its rows.
    pub(crate) async fn delete_bundle(&self, guild: GuildId, session: SessionId) -> Result<(), String> {
        self.may_delete(guild, session).await?;
        let data = self.settings.data.clone();
        tokio::task::spawn_blocking(move || bundles::delete(&data, guild, session))
            .await
            .unwrap_or_else(|error| Err(bundles::not_deleted(guild, session, &error)))
    }

    /// Signed links, when people can reach this server.
    pub(crate) fn links(&self) -> Option<&Links> {
        self.links.as_ref()
    }

    /// Places for archives that are packed and sent for a download.
    pub(crate) fn packing(&self) -> Arc<tokio::sync::Semaphore> {
        self.packing.clone()
    }
}
