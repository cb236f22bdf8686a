//! `theater:simple/store`: contents by their hash. What a guest names is parsed before anything is touched.

use std::sync::Arc;

use theater_core::content::{InvalidName, Label, StoreId};
use theater_core::event::ContentDigest;
use theater_core::{Bytes, EventKind, LimitError};
use wasmtime::component::Linker;

use super::bindings::theater::simple::store::{self, ContentRef};
use super::record::subject;
use super::services::{Refusal, Services};
use crate::content::{ContentError, ContentStore};
use crate::store::ActorStore;

/// The interface, as imports name it.
pub(crate) const INTERFACE: &str = "theater:simple/store";

pub(crate) fn add_to_linker(linker: &mut Linker<ActorStore>) -> wasmtime::Result<()> {
    super::under_both_names(linker, INTERFACE, |instance| {
        store::add_to_linker_instance::<_, super::OfStore>(instance, |store| store)
    })
}

/// A store that a guest names. What is no id at all is answered like one that nobody has.
fn store_id(given: &str) -> Result<StoreId, Refusal> {
    given
        .parse()
        .map_err(|_: InvalidName| ContentError::NoStore { id: theater_core::error::printable(given) }.into())
}

fn content_hash(given: &str) -> Result<ContentDigest, Refusal> {
    Ok(theater_core::content::content_hash(given)?)
}

fn label(given: &str) -> Result<Label, Refusal> {
    Ok(given.parse()?)
}

/// The answer is recorded, so it must fit into an event: whoever else has the store can make a list as long as there is room.
fn listed<T>(
    services: &Services,
    entries: Vec<T>,
    text: impl Fn(&T) -> String,
) -> Result<Vec<String>, Refusal> {
    /// What an entry takes at most besides its text.
    const ENTRY: u64 = 8;
    let entries: Vec<_> = entries.iter().map(text).collect();
    let size = entries.iter().map(|entry| entry.len() as u64 + ENTRY).sum();
    let limit = services.content_limit;
    if size > limit { Err(Refusal::LongList { size, limit }) } else { Ok(entries) }
}

fn contents(services: &Services) -> &dyn ContentStore {
    &*services.provider.contents
}

fn check_size(services: &Services, size: u64) -> Result<(), Refusal> {
    let limit = services.content_limit;
    if size > limit { Err(LimitError::Message { size, limit }.into()) } else { Ok(()) }
}

async fn put(
    services: Arc<Services>,
    id: String,
    name: Option<String>,
    content: Bytes,
) -> Result<String, Refusal> {
    check_size(&services, content.len() as u64)?;
    let (id, name) = (store_id(&id)?, name.map(|name| label(&name)).transpose()?);
    Ok(contents(&services).put(id, content, name).await?.to_string())
}

async fn point(services: Arc<Services>, id: String, name: String, hash: String) -> Result<(), Refusal> {
    let (id, name, hash) = (store_id(&id)?, label(&name)?, content_hash(&hash)?);
    Ok(contents(&services).set_label(id, name, hash).await?)
}

fn reference(hash: String) -> ContentRef {
    ContentRef { hash }
}

impl ActorStore {
    /// The functions that keep a content, with a label or without.
    async fn keep(
        &mut self,
        kind: EventKind,
        store_id: String,
        label: Option<String>,
        content: Vec<u8>,
    ) -> wasmtime::Result<Result<ContentRef, String>> {
        let content = Bytes::from(content);
        let mut parts = vec![&*store_id];
        parts.extend(label.as_deref());
        let (subject, given) = (subject(&parts), Some(content.clone()));
        let kept =
            self.effected(kind, subject, given, |services| put(services, store_id, label, content)).await?;
        Ok(kept.map(reference))
    }

    /// The functions that point a label at a content.
    async fn point_label(
        &mut self,
        kind: EventKind,
        store_id: String,
        label: String,
        hash: String,
    ) -> wasmtime::Result<Result<(), String>> {
        let subject = subject(&[&store_id, &label, &hash]);
        self.effected(kind, subject, None, |services| point(services, store_id, label, hash)).await
    }

    /// The functions that remove a label.
    async fn unlabel(
        &mut self,
        kind: EventKind,
        id: String,
        name: String,
        from: Option<String>,
    ) -> wasmtime::Result<Result<(), String>> {
        let mut parts = vec![&*id, &*name];
        parts.extend(from.as_deref());
        let subject = subject(&parts);
        self.effected(kind, subject, None, |services| async move {
            let from = from.map(|hash| content_hash(&hash)).transpose()?;
            Ok(contents(&services).remove_label(store_id(&id)?, label(&name)?, from).await?)
        })
        .await
    }
}

impl store::Host for ActorStore {
    async fn new(&mut self) -> wasmtime::Result<Result<String, String>> {
        self.effected(EventKind::STORE_NEW, String::new(), None, |services| async move {
            let mut bits = [0; 16];
            getrandom::fill(&mut bits).map_err(Refusal::NoRandomness)?;
            let id = StoreId::from_random(bits);
            contents(&services).create(id).await?;
            Ok(id.to_string())
        })
        .await
    }

    async fn store(
        &mut self,
        store_id: String,
        content: Vec<u8>,
    ) -> wasmtime::Result<Result<ContentRef, String>> {
        self.keep(EventKind::STORE_STORE, store_id, None, content).await
    }

    async fn get(&mut self, id: String, content: ContentRef) -> wasmtime::Result<Result<Vec<u8>, String>> {
        let subject = subject(&[&id, &content.hash]);
        let content = self.observed(EventKind::STORE_GET, subject, |services| async move {
            let content = contents(&services).get(store_id(&id)?, content_hash(&content.hash)?).await?;
            check_size(&services, content.len() as u64)?;
            Ok(content)
        });
        Ok(content.await?.map(Vec::from))
    }

    async fn exists(&mut self, id: String, content: ContentRef) -> wasmtime::Result<Result<bool, String>> {
        let subject = subject(&[&id, &content.hash]);
        self.observed(EventKind::STORE_EXISTS, subject, |services| async move {
            Ok(contents(&services).has(store_id(&id)?, content_hash(&content.hash)?).await?)
        })
        .await
    }

    async fn label(
        &mut self,
        store_id: String,
        label: String,
        content: ContentRef,
    ) -> wasmtime::Result<Result<(), String>> {
        self.point_label(EventKind::STORE_LABEL, store_id, label, content.hash).await
    }

    async fn get_by_label(
        &mut self,
        id: String,
        name: String,
    ) -> wasmtime::Result<Result<Option<ContentRef>, String>> {
        let subject = subject(&[&id, &name]);
        let found = self.observed(EventKind::STORE_GET_BY_LABEL, subject, |services| async move {
            let found = contents(&services).label(store_id(&id)?, label(&name)?).await?;
            Ok(found.map(|hash| hash.to_string()))
        });
        Ok(found.await?.map(|found| found.map(reference)))
    }

    async fn remove_label(
        &mut self,
        store_id: String,
        label: String,
    ) -> wasmtime::Result<Result<(), String>> {
        self.unlabel(EventKind::STORE_REMOVE_LABEL, store_id, label, None).await
    }

    async fn remove_from_label(
        &mut self,
        store_id: String,
        label: String,
        content: ContentRef,
    ) -> wasmtime::Result<Result<(), String>> {
        self.unlabel(EventKind::STORE_REMOVE_FROM_LABEL, store_id, label, Some(content.hash)).await
    }

    async fn store_at_label(
        &mut self,
        store_id: String,
        label: String,
        content: Vec<u8>,
    ) -> wasmtime::Result<Result<ContentRef, String>> {
        self.keep(EventKind::STORE_STORE_AT_LABEL, store_id, Some(label), content).await
    }

    async fn replace_content_at_label(
        &mut self,
        store_id: String,
        label: String,
        content: Vec<u8>,
    ) -> wasmtime::Result<Result<ContentRef, String>> {
        self.keep(EventKind::STORE_REPLACE_CONTENT_AT_LABEL, store_id, Some(label), content).await
    }

    async fn replace_at_label(
        &mut self,
        store_id: String,
        label: String,
        content: ContentRef,
    ) -> wasmtime::Result<Result<(), String>> {
        self.point_label(EventKind::STORE_REPLACE_AT_LABEL, store_id, label, content.hash).await
    }

    async fn list_labels(&mut self, id: String) -> wasmtime::Result<Result<Vec<String>, String>> {
        let subject = subject(&[&id]);
        self.observed(EventKind::STORE_LIST_LABELS, subject, |services| async move {
            listed(&services, contents(&services).labels(store_id(&id)?).await?, ToString::to_string)
        })
        .await
    }

    async fn list_all_content(&mut self, id: String) -> wasmtime::Result<Result<Vec<ContentRef>, String>> {
        let subject = subject(&[&id]);
        let hashes = self.observed(EventKind::STORE_LIST_ALL_CONTENT, subject, |services| async move {
            let all = contents(&services).contents(store_id(&id)?).await?;
            listed(&services, all, |(hash, _)| hash.to_string())
        });
        Ok(hashes.await?.map(|hashes| hashes.into_iter().map(reference).collect()))
    }

    async fn calculate_total_size(&mut self, id: String) -> wasmtime::Result<Result<u64, String>> {
        let subject = subject(&[&id]);
        self.observed(EventKind::STORE_CALCULATE_TOTAL_SIZE, subject, |services| async move {
            let contents = contents(&services).contents(store_id(&id)?).await?;
            Ok(contents.iter().map(|(_, size)| size).sum::<u64>())
        })
        .await
    }
}
