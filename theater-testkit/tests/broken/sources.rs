//! A small source that is right, and ones that break the contract of `ManifestSource` in one thing each.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use theater_core::source::{ContentDigest, INLINE};
use theater_core::{
    Bytes, LoadedManifest, ManifestError, ManifestErrorKind, ManifestRef, ManifestSource, async_trait,
};
use theater_testkit::conformance::source::TestSource;

/// One way to be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// None, to see that nothing else is wrong.
    None,
    LeavesItsRootByDots,
    ReadsAbsolutePaths,
    SaysNotFoundOfTheOutside,
    SaysWhatIsOutside,
    SaysIoOfWhatIsMissing,
    ServesTextWithoutItsEnd,
    ReadsBytesAsText,
    ForgivesBadText,
    ForgetsTheOrigin,
    ForgetsTheLine,
    StartsAtTheRoot,
    NamesOneFileDifferently,
    LooksUpByLastPart,
    WearsOut,
    ServesFoldersAsEmptyFiles,
    ReadsForItsOwnManifestsOnly,
    MakesEveryNameLonger,
    FollowsLinksOutside,
    PutsTheDigestIntoTheName,
    HidesWhatHasAnotherDigest,
    ReadsPinnedFromAnywhere,
    ForgetsInlineManifests,
}

impl Flaw {
    /// Every flaw, with the clause of the contract that says otherwise.
    pub(crate) const ALL: &'static [(Self, &'static str)] = &[
        (Self::LeavesItsRootByDots, "Root"),
        (Self::ReadsAbsolutePaths, "Root"),
        (Self::SaysNotFoundOfTheOutside, "Root"),
        (Self::SaysWhatIsOutside, "Root"),
        (Self::SaysIoOfWhatIsMissing, "Not found"),
        (Self::ServesTextWithoutItsEnd, "Finding"),
        (Self::ReadsBytesAsText, "Finding"),
        (Self::ForgivesBadText, "Errors"),
        (Self::ForgetsTheOrigin, "Finding"),
        (Self::ForgetsTheLine, "Errors"),
        (Self::StartsAtTheRoot, "Relative references"),
        (Self::NamesOneFileDifferently, "Relative references"),
        (Self::LooksUpByLastPart, "Not found"),
        (Self::WearsOut, "Finding"),
        (Self::ServesFoldersAsEmptyFiles, "Not found"),
        (Self::ReadsForItsOwnManifestsOnly, "Finding"),
        (Self::MakesEveryNameLonger, "Relative references"),
        (Self::FollowsLinksOutside, "Root"),
        (Self::PutsTheDigestIntoTheName, "Digests"),
        (Self::HidesWhatHasAnotherDigest, "Digests"),
        (Self::ReadsPinnedFromAnywhere, "Digests"),
        (Self::ForgetsInlineManifests, "Inline manifests"),
    ];
}

/// Files and links in memory in folders, with a few files beside the root.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    files: BTreeMap<String, Bytes>,
    links: BTreeMap<String, String>,
    outside: BTreeMap<String, Bytes>,
    flaw: Flaw,
    lookups: Arc<AtomicU64>,
}

/// Links that are followed on the way to one file.
const MAX_LINKS: usize = 40;

impl Folders {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self {
            files: BTreeMap::new(),
            links: BTreeMap::new(),
            outside: BTreeMap::new(),
            flaw,
            lookups: Arc::default(),
        }
    }

    /// The path from the root of what `reference` names from `folder`; `None` where it leaves the root.
    fn path(&self, folder: &str, reference: &str) -> Option<String> {
        if reference.starts_with('/') {
            return None;
        }
        let folder = if self.flaw == Flaw::StartsAtTheRoot { "" } else { folder };
        let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
        let mut rest: VecDeque<&str> = reference.split('/').collect();
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            match part {
                "" | "." => continue,
                ".." => drop(parts.pop()?),
                part => parts.push(part),
            }
            if let Some(target) = self.links.get(&parts.join("/")) {
                links += 1;
                if target.starts_with('/') || links > MAX_LINKS {
                    return None;
                }
                parts.pop();
                for part in target.rsplit('/') {
                    rest.push_front(part);
                }
            }
        }
        Some(parts.join("/"))
    }

    fn get(&self, folder: &str, reference: &str) -> Result<&Bytes, ManifestError> {
        let failed = |kind| Err(ManifestError::new(reference, kind));
        let outside = self.outside.get(reference.rsplit('/').next().unwrap_or_default());
        if self.flaw == Flaw::WearsOut && self.lookups.fetch_add(1, Ordering::Relaxed) > 10 {
            return failed(ManifestErrorKind::NotFound);
        }
        let Some(path) = self.path(folder, reference) else {
            let linked = self.links.get(reference).and_then(|target| target.rsplit('/').next());
            return match (self.flaw, outside) {
                (Flaw::FollowsLinksOutside, _)
                    if linked.is_some_and(|name| self.outside.contains_key(name)) =>
                {
                    Ok(&self.outside[linked.unwrap_or_default()])
                }
                (Flaw::LeavesItsRootByDots, Some(file)) if !reference.starts_with('/') => Ok(file),
                (Flaw::ReadsAbsolutePaths, Some(file)) if reference.starts_with('/') => Ok(file),
                (Flaw::SaysNotFoundOfTheOutside, _) | (Flaw::SaysWhatIsOutside, None) => {
                    failed(ManifestErrorKind::NotFound)
                }
                _ => failed(ManifestErrorKind::OutsideRoot),
            };
        };
        if let Some(file) = self.files.get(&path) {
            return Ok(file);
        }
        match self.flaw {
            Flaw::ServesFoldersAsEmptyFiles if self.files.keys().any(|file| file.starts_with(&path)) => {
                Ok(&EMPTY)
            }
            Flaw::SaysIoOfWhatIsMissing => {
                failed(ManifestErrorKind::Io(Arc::new(std::io::ErrorKind::NotFound.into())))
            }
            Flaw::LooksUpByLastPart => match self.files.get(path.rsplit('/').next().unwrap_or_default()) {
                Some(file) => Ok(file),
                None => failed(ManifestErrorKind::NotFound),
            },
            _ => failed(ManifestErrorKind::NotFound),
        }
    }
}

static EMPTY: Bytes = Bytes::new();

/// The folder that a path is in.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[async_trait]
impl ManifestSource for Folders {
    async fn manifest(&self, reference: &ManifestRef) -> Result<LoadedManifest, ManifestError> {
        let pinned = reference.pinned();
        let reference = reference.as_str();
        if let Some(digest) = pinned
            && self.flaw == Flaw::PutsTheDigestIntoTheName
        {
            let name = format!("{reference}#{digest}");
            return Err(ManifestError::new(name, ManifestErrorKind::NotFound));
        }
        let file = self.get("", reference)?;
        let mut text = match std::str::from_utf8(file) {
            Ok(text) => text.to_owned(),
            Err(_) if self.flaw == Flaw::ForgivesBadText => String::from_utf8_lossy(file).into_owned(),
            Err(_) => return Err(ManifestError::new(reference, ManifestErrorKind::NotText)),
        };
        if self.flaw == Flaw::ServesTextWithoutItsEnd {
            text = text.trim_end().to_owned();
        }
        let origin = match self.flaw {
            Flaw::ForgetsTheOrigin => "manifest".to_owned(),
            Flaw::NamesOneFileDifferently | Flaw::MakesEveryNameLonger => reference.to_owned(),
            _ => self.path("", reference).unwrap_or_else(|| reference.to_owned()),
        };
        LoadedManifest::parse(origin, text).map_err(|mut error| {
            if self.flaw == Flaw::ForgetsTheLine {
                error.line = None;
            }
            error
        })
    }

    async fn read(&self, manifest: &LoadedManifest, reference: &str) -> Result<Bytes, ManifestError> {
        let own = self.files.get(&*manifest.origin).is_some_and(|file| *file == manifest.text.as_bytes());
        if self.flaw == Flaw::ReadsForItsOwnManifestsOnly && !own {
            return Err(ManifestError::new(reference, ManifestErrorKind::NotFound));
        }
        if self.flaw == Flaw::ForgetsInlineManifests && *manifest.origin == *INLINE {
            return Err(ManifestError::new(reference, ManifestErrorKind::NotFound));
        }
        let content = self.get(folder(&manifest.origin), reference)?;
        if self.flaw == Flaw::ReadsBytesAsText {
            return Ok(String::from_utf8_lossy(content).replace("\r\n", "\n").into());
        }
        Ok(content.clone())
    }

    async fn read_pinned(
        &self,
        manifest: &LoadedManifest,
        reference: &str,
        digest: &ContentDigest,
    ) -> Result<Bytes, ManifestError> {
        let has_digest = |file: &&Bytes| ContentDigest::of(file) == *digest;
        if self.flaw == Flaw::ReadsPinnedFromAnywhere
            && let Some(file) = self.files.values().chain(self.outside.values()).find(has_digest)
        {
            return Ok(file.clone());
        }
        let content = self.read(manifest, reference).await?;
        if self.flaw == Flaw::HidesWhatHasAnotherDigest && !has_digest(&&content) {
            return Err(ManifestError::new(reference, ManifestErrorKind::NotFound));
        }
        Ok(content)
    }

    fn relative(&self, manifest: &LoadedManifest, reference: &str) -> Result<ManifestRef, ManifestError> {
        let from = folder(&manifest.origin);
        if self.flaw == Flaw::NamesOneFileDifferently
            && !from.is_empty()
            && self.path(from, reference).is_some()
        {
            return Ok(format!("{from}/{reference}").into());
        }
        if self.flaw == Flaw::MakesEveryNameLonger && from.chars().all(|part| "./".contains(part)) {
            return Ok(format!("{from}/./{reference}").trim_start_matches('/').into());
        }
        // A file beside the root has no name from the root: it goes on as it was written.
        let path = self.path(from, reference);
        Ok(path.unwrap_or_else(|| reference.to_owned()).into())
    }
}

impl TestSource for Folders {
    fn put(&mut self, path: &str, content: &[u8]) {
        self.files.insert(path.to_owned(), Bytes::copy_from_slice(content));
    }

    fn put_outside(&mut self, name: &str, content: &[u8]) -> Option<String> {
        self.outside.insert(name.to_owned(), Bytes::copy_from_slice(content));
        Some(format!("/beside/{name}"))
    }

    fn source(&self) -> Arc<dyn ManifestSource> {
        Arc::new(self.clone())
    }

    fn link(&mut self, path: &str, target: &str) -> Result<(), String> {
        self.links.insert(path.to_owned(), target.to_owned());
        Ok(())
    }
}
