//! Runtimes that give children more than their parents have.

use theater_core::{ActorError, ActorInfo, ManifestRef, SpawnRequest, async_trait};

use crate::backend::{Answer, Damage, Inner};

/// A reference without the words that ask for something: the correct runtime has nothing against it then.
fn asking_for_nothing(reference: &ManifestRef) -> ManifestRef {
    let words = reference.as_str().split(' ').filter(|word| !word.starts_with("may-"));
    words.collect::<Vec<_>>().join(" ").into()
}

/// Nobody looks at what a child asks for.
#[derive(Debug)]
pub(crate) struct GrantsEverything;

#[async_trait]
impl Damage for GrantsEverything {
    async fn spawn(&self, inner: &Inner, mut request: SpawnRequest) -> Answer<ActorInfo> {
        match inner.spawn(request.clone()).await {
            Err(ActorError::NotGranted(_)) => {
                request.manifest = asking_for_nothing(&request.manifest);
                inner.spawn(request).await
            }
            answer => answer,
        }
    }
}

/// The child is refused, but it is there.
#[derive(Debug)]
pub(crate) struct StartsWhatItRefuses;

#[async_trait]
impl Damage for StartsWhatItRefuses {
    async fn spawn(&self, inner: &Inner, mut request: SpawnRequest) -> Answer<ActorInfo> {
        let answer = inner.spawn(request.clone()).await;
        if matches!(answer, Err(ActorError::NotGranted(_))) {
            request.manifest = asking_for_nothing(&request.manifest);
            // What it answers is what the caller is not told.
            let _ = inner.spawn(request).await;
        }
        answer
    }
}

/// The child gets nothing, not even what its parent has.
#[derive(Debug)]
pub(crate) struct GrantsNothing;

#[async_trait]
impl Damage for GrantsNothing {
    async fn spawn(&self, inner: &Inner, mut request: SpawnRequest) -> Answer<ActorInfo> {
        if request.parent.is_some() {
            return inner.spawn(request).await;
        }
        request.manifest = asking_for_nothing(&request.manifest);
        inner.spawn(request).await
    }
}
