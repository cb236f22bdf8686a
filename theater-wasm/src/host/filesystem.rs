//! `theater:simple/filesystem`: files of one folder. What a guest names is parsed before anything is touched, and everything
//! happens on threads that may block, as many at a time as the runtime allows.

use std::sync::Arc;

use cap_std::fs::Dir;
use theater_core::event::payload::encode;
use theater_core::{Bytes, EventKind, LimitError};
use wasmtime::component::Linker;

use super::bindings::theater::simple::filesystem::{self, CommandResult};
use super::record::{Answer, path_subject, subject};
use super::services::{Refusal, Services};
use crate::folder::{self, FileError, FilePath};
use crate::store::ActorStore;

/// The interface, as imports name it.
pub(crate) const INTERFACE: &str = "theater:simple/filesystem";

pub(crate) fn add_to_linker(linker: &mut Linker<ActorStore>) -> wasmtime::Result<()> {
    super::under_both_names(linker, INTERFACE, |instance| {
        filesystem::add_to_linker_instance::<_, super::OfStore>(instance, |store| store)
    })
}

/// Does something with what a guest named, in the actor's folder.
async fn at<T: Send + 'static>(
    services: Arc<Services>,
    path: String,
    work: impl FnOnce(&Dir, &FilePath) -> Result<T, FileError> + Send + 'static,
) -> Result<T, Refusal> {
    let path: FilePath = path.parse()?;
    let folder = Arc::clone(services.folder.as_ref().ok_or(Refusal::NotGranted)?);
    let folders = Arc::clone(folder.folders());
    let done = folders.blocking(&services.stop, services.host_deadline, move || {
        let dir = folder.dir()?;
        Ok(work(dir, &path)?)
    });
    done.await?
}

/// The answer of a function that is always refused.
enum Never {}

impl Answer for Never {
    fn record(&self) -> Option<Bytes> {
        match *self {}
    }

    fn read(_: Option<Bytes>) -> Option<Self> {
        None
    }
}

impl ActorStore {
    /// The functions that change something and answer nothing.
    async fn change(
        &mut self,
        kind: EventKind,
        path: String,
        work: impl FnOnce(&Dir, &FilePath) -> Result<(), FileError> + Send + 'static,
    ) -> wasmtime::Result<Result<(), String>> {
        let subject = path_subject(&path);
        self.effected(kind, subject, None, |services| at(services, path, work)).await
    }

    /// The functions that would run a program.
    async fn refuse_program(
        &mut self,
        kind: EventKind,
        dir: &str,
        command: &str,
        args: Vec<String>,
    ) -> wasmtime::Result<Result<CommandResult, String>> {
        let subject = subject(&[dir, command]);
        let given = (!args.is_empty()).then(|| encode(&args));
        let refused = self.effected::<Never, _>(kind, subject, given, |_| async { Err(Refusal::NoPrograms) });
        Ok(refused.await?.map(|never| match never {}))
    }
}

impl filesystem::Host for ActorStore {
    async fn read_file(&mut self, path: String) -> wasmtime::Result<Result<Vec<u8>, String>> {
        let subject = path_subject(&path);
        let bytes = self.observed(EventKind::READ_FILE, subject, |services| async move {
            let limit = services.content_limit;
            let read = at(services, path, move |dir, path| folder::read(dir, path, limit));
            Ok(Bytes::from(read.await?))
        });
        Ok(bytes.await?.map(Vec::from))
    }

    async fn write_file(&mut self, path: String, contents: String) -> wasmtime::Result<Result<(), String>> {
        let (subject, contents) = (path_subject(&path), Bytes::from(contents));
        let given = Some(contents.clone());
        self.effected(EventKind::WRITE_FILE, subject, given, |services| async move {
            let (size, limit) = (contents.len() as u64, services.content_limit);
            if size > limit {
                return Err(LimitError::Message { size, limit }.into());
            }
            at(services, path, move |dir, path| folder::write(dir, path, &contents)).await
        })
        .await
    }

    async fn list_files(&mut self, path: String) -> wasmtime::Result<Result<Vec<String>, String>> {
        let subject = path_subject(&path);
        self.observed(EventKind::LIST_FILES, subject, |services| async move {
            let limit = services.content_limit;
            at(services, path, move |dir, path| folder::list(dir, path, limit)).await
        })
        .await
    }

    async fn delete_file(&mut self, path: String) -> wasmtime::Result<Result<(), String>> {
        self.change(EventKind::DELETE_FILE, path, folder::delete).await
    }

    async fn create_dir(&mut self, path: String) -> wasmtime::Result<Result<(), String>> {
        self.change(EventKind::CREATE_DIR, path, folder::create_dir).await
    }

    async fn delete_dir(&mut self, path: String) -> wasmtime::Result<Result<(), String>> {
        self.change(EventKind::DELETE_DIR, path, folder::delete_dir).await
    }

    async fn path_exists(&mut self, path: String) -> wasmtime::Result<Result<bool, String>> {
        let subject = path_subject(&path);
        self.observed(EventKind::PATH_EXISTS, subject, |services| at(services, path, folder::exists)).await
    }

    async fn execute_command(
        &mut self,
        dir: String,
        command: String,
        args: Vec<String>,
    ) -> wasmtime::Result<Result<CommandResult, String>> {
        self.refuse_program(EventKind::EXECUTE_COMMAND, &dir, &command, args).await
    }

    async fn execute_nix_command(
        &mut self,
        dir: String,
        command: String,
    ) -> wasmtime::Result<Result<CommandResult, String>> {
        self.refuse_program(EventKind::EXECUTE_NIX_COMMAND, &dir, &command, Vec::new()).await
    }
}
