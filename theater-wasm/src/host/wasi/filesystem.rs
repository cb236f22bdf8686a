//! `wasi:filesystem`: the folder that the manifest's handler `filesystem` grants, as `/`.
//!
//! A descriptor knows what it is, and what a guest is told of it is recorded; what is open behind it is opened when it is first
//! needed. So a call that is run again touches nothing, and goes on with the files as they are where its records end.

mod descriptor;
mod handle;
mod methods;
mod os;
mod record;
mod stream;

use std::sync::Arc;

use theater_core::{Bytes, EventKind};
use wasmtime::component::{Linker, LinkerInstance, Resource, ResourceTableError, ResourceType};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, MetadataHashValue,
    NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

use super::define::{define, interface};
use crate::folder::Folder;
use crate::host::record::{Answer, path_subject};
use crate::host::services::{Refusal, Services};
use crate::store::ActorStore;
pub(super) use descriptor::Count;
use descriptor::{Descriptor, Opened, Slot};
use handle::Handle;
pub(crate) use record::{Entry, Failure, Stat};
pub(super) use stream::Streams;

/// How a guest names what it holds.
type This = Resource<Descriptor>;
type Listing = Resource<Listed>;

/// Bytes of one read or write.
const PIECE: u64 = 64 << 10;

/// The name under which a guest sees its folder: what is absolute and what is not lead both there.
const ROOT: &str = "/";

/// What of a folder's list the guest has not asked for yet.
struct Listed(std::vec::IntoIter<Entry>);

/// Why a guest gets no answer: something that WASI has a word for, or something that ends it.
#[derive(Debug)]
enum Fault {
    Code(ErrorCode),
    Trap(wasmtime::Error),
}

impl From<ErrorCode> for Fault {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
    }
}

impl From<wasmtime::Error> for Fault {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

impl From<ResourceTableError> for Fault {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error.into())
    }
}

impl Fault {
    fn to_guest<T>(result: Result<T, Self>) -> wasmtime::Result<Result<T, ErrorCode>> {
        match result {
            Ok(answer) => Ok(Ok(answer)),
            Err(Self::Code(code)) => Ok(Err(code)),
            Err(Self::Trap(error)) => Err(error),
        }
    }
}

pub(super) fn add_to_linker(linker: &mut Linker<ActorStore>) -> wasmtime::Result<()> {
    let mut preopens = interface(linker, "wasi:filesystem/preopens")?;
    define::<(), (Vec<(This, String)>,)>(&mut preopens, "get-directories", |mut store, ()| {
        Box::new(async move { Ok((store.data_mut().folders()?,)) })
    })?;
    let mut types = interface(linker, "wasi:filesystem/types")?;
    types.resource("descriptor", ResourceType::host::<Descriptor>(), |mut store, rep| {
        store.data_mut().ctx().table.delete(This::new_own(rep))?;
        Ok(())
    })?;
    types.resource("directory-entry-stream", ResourceType::host::<Listed>(), |mut store, rep| {
        store.data_mut().ctx().table.delete(Listing::new_own(rep))?;
        Ok(())
    })?;
    define::<(Listing,), (Result<Option<DirectoryEntry>, ErrorCode>,)>(
        &mut types,
        "[method]directory-entry-stream.read-directory-entry",
        |mut store, (listing,)| Box::new(async move { Ok((Ok(store.data_mut().next_entry(&listing)?),)) }),
    )?;
    define::<(Resource<wasmtime::Error>,), (Option<ErrorCode>,)>(
        &mut types,
        "filesystem-error-code",
        |mut store, (error,)| Box::new(async move { Ok((store.data_mut().error_code_of(&error)?,)) }),
    )?;
    define::<(This, This), (bool,)>(
        &mut types,
        "[method]descriptor.is-same-object",
        |mut store, (this, other)| {
            Box::new(async move { Ok((store.data_mut().is_same_object(&this, &other).await?,)) })
        },
    )?;
    descriptors(&mut types)
}

/// The methods of descriptors that can fail.
fn descriptors(types: &mut LinkerInstance<'_, ActorStore>) -> wasmtime::Result<()> {
    macro_rules! methods {
        ($($name:literal = $method:ident($($given:ident: $type:ty),*) -> $answer:ty;)*) => {$(
            define::<(This, $($type,)*), (Result<$answer, ErrorCode>,)>(
                types,
                concat!("[method]descriptor.", $name),
                |mut store, (this, $($given,)*)| {
                    Box::new(async move {
                        let store = store.data_mut();
                        let this = store.descriptor(&this)?;
                        Ok((Fault::to_guest(store.$method(&this, $($given),*).await)?,))
                    })
                },
            )?;
        )*};
    }
    methods! {
        "read-via-stream" = read_via_stream(offset: u64) -> Resource<DynInputStream>;
        "write-via-stream" = write_via_stream(offset: u64) -> Resource<DynOutputStream>;
        "append-via-stream" = append_via_stream() -> Resource<DynOutputStream>;
        "advise" = advise(offset: u64, len: u64, advice: Advice) -> ();
        "sync-data" = sync_data() -> ();
        "get-flags" = flags_of() -> DescriptorFlags;
        "get-type" = type_of() -> DescriptorType;
        "set-size" = set_size(size: u64) -> ();
        "set-times" = set_times(accessed: NewTimestamp, modified: NewTimestamp) -> ();
        "read" = read_file_at(len: u64, offset: u64) -> (Vec<u8>, bool);
        "write" = write_file_at(bytes: Vec<u8>, offset: u64) -> u64;
        "read-directory" = read_directory() -> Listing;
        "sync" = sync() -> ();
        "create-directory-at" = create_directory_at(path: String) -> ();
        "stat" = stat() -> DescriptorStat;
        "stat-at" = stat_at(flags: PathFlags, path: String) -> DescriptorStat;
        "set-times-at" =
            set_times_at(flags: PathFlags, path: String, accessed: NewTimestamp, modified: NewTimestamp) -> ();
        "link-at" = link_at(flags: PathFlags, path: String, to: This, new: String) -> ();
        "open-at" = open_at(flags: PathFlags, path: String, open: OpenFlags, mode: DescriptorFlags) -> This;
        "readlink-at" = readlink_at(path: String) -> String;
        "remove-directory-at" = remove_directory_at(path: String) -> ();
        "rename-at" = rename_at(path: String, to: This, new: String) -> ();
        "symlink-at" = symlink_at(target: String, path: String) -> ();
        "unlink-file-at" = unlink_file_at(path: String) -> ();
        "metadata-hash" = metadata_hash() -> MetadataHashValue;
        "metadata-hash-at" = metadata_hash_at(flags: PathFlags, path: String) -> MetadataHashValue;
    }
    Ok(())
}

/// Does something with what is open behind a descriptor, on a thread that may block.
async fn at<T: Send + 'static>(
    services: Arc<Services>,
    slot: Arc<Slot>,
    work: impl FnOnce(&Handle, &Folder) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let folder = Arc::clone(services.folder.as_ref().ok_or(Refusal::NotGranted)?);
    let folders = Arc::clone(folder.folders());
    let done = folders
        .blocking(&services.stop, services.host_deadline, move || work(slot.handle(&folder)?, &folder));
    done.await?
}

impl ActorStore {
    /// The folder of the grant, if there is one. That is known where a call is run again, and so not recorded.
    fn folders(&mut self) -> wasmtime::Result<Vec<(This, String)>> {
        if !self.granted.filesystem {
            return Ok(Vec::new());
        }
        let root = self.ctx().table.push(Descriptor::root())?;
        Ok(vec![(root, ROOT.to_owned())])
    }

    fn descriptor(&mut self, this: &This) -> wasmtime::Result<Arc<Opened>> {
        Ok(Arc::clone(&self.ctx().table.get(this)?.0))
    }

    fn next_entry(&mut self, listing: &Listing) -> wasmtime::Result<Option<DirectoryEntry>> {
        let next = self.ctx().table.get_mut(listing)?.0.next();
        Ok(next.map(|(name, kind)| DirectoryEntry { type_: kind.into(), name }))
    }

    /// What a failed read or write of a stream was about, if it was a file's.
    fn error_code_of(&mut self, error: &Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        let failure = self.ctx().table.get(error)?.downcast_ref::<Failure>();
        Ok(failure.map(|failure| failure.0))
    }

    /// Something that only looks: its answer is recorded.
    async fn looked<T: Answer + Send + 'static>(
        &mut self,
        this: &Opened,
        call: String,
        work: impl FnOnce(&Handle, &Folder) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Fault> {
        let slot = Arc::clone(&this.slot);
        let answer = self
            .observed(EventKind::WASI_FILESYSTEM, path_subject(&call), |services| at(services, slot, work));
        answer.await?.map_err(|text| Fault::Code(record::code(&text)))
    }

    /// Something that changes a file or a folder: that it is asked for is recorded before it is done.
    async fn changed<T: Answer + Send + 'static>(
        &mut self,
        this: &Opened,
        call: String,
        given: Option<Bytes>,
        work: impl FnOnce(&Handle, &Folder) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Fault> {
        let slot = Arc::clone(&this.slot);
        let done = self.effected(EventKind::WASI_FILESYSTEM, path_subject(&call), given, |services| {
            at(services, slot, work)
        });
        done.await?.map_err(|text| Fault::Code(record::code(&text)))
    }

    /// Bytes of one read or write: a record has to take them.
    fn piece(&self) -> u64 {
        PIECE.min(self.limits().message)
    }

    /// What the actor has open.
    fn count(&mut self) -> &Count {
        &self.wasi().open
    }
}
