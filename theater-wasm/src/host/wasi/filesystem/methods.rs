//! The methods of descriptors. What can be said without looking at a file is said first, the same whenever a call is run again.

use std::sync::Arc;

use theater_core::Bytes;
use wasmtime::component::Resource;
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, ErrorCode, MetadataHashValue, NewTimestamp,
    OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

use super::descriptor::{Descriptor, Opened};
use super::handle::{Kind, Opening};
use super::{Fault, Listed, Listing, This};
use crate::store::ActorStore;

impl ActorStore {
    pub(super) async fn read_via_stream(
        &mut self,
        this: &Arc<Opened>,
        offset: u64,
    ) -> Result<Resource<DynInputStream>, Fault> {
        this.is_open_for(DescriptorFlags::READ)?;
        Ok(self.stream_in(this, offset)?)
    }

    pub(super) async fn write_via_stream(
        &mut self,
        this: &Arc<Opened>,
        offset: u64,
    ) -> Result<Resource<DynOutputStream>, Fault> {
        this.is_open_for(DescriptorFlags::WRITE)?;
        Ok(self.stream_out(this, Some(offset))?)
    }

    pub(super) async fn append_via_stream(
        &mut self,
        this: &Arc<Opened>,
    ) -> Result<Resource<DynOutputStream>, Fault> {
        this.is_open_for(DescriptorFlags::WRITE)?;
        Ok(self.stream_out(this, None)?)
    }

    /// Advice changes nothing that a guest can see, and is not followed.
    pub(super) async fn advise(
        &mut self,
        this: &Arc<Opened>,
        _offset: u64,
        _len: u64,
        _advice: Advice,
    ) -> Result<(), Fault> {
        Ok(this.is(Kind::File)?)
    }

    pub(super) async fn sync_data(&mut self, this: &Arc<Opened>) -> Result<(), Fault> {
        self.changed(this, format!("sync-data {}", this.path), None, |handle, _| Ok(handle.sync(true)?)).await
    }

    pub(super) async fn sync(&mut self, this: &Arc<Opened>) -> Result<(), Fault> {
        self.changed(this, format!("sync {}", this.path), None, |handle, _| Ok(handle.sync(false)?)).await
    }

    pub(super) async fn flags_of(&mut self, this: &Arc<Opened>) -> Result<DescriptorFlags, Fault> {
        Ok(this.flags)
    }

    pub(super) async fn type_of(&mut self, this: &Arc<Opened>) -> Result<DescriptorType, Fault> {
        Ok(match this.kind {
            Kind::File => DescriptorType::RegularFile,
            Kind::Folder => DescriptorType::Directory,
        })
    }

    pub(super) async fn set_size(&mut self, this: &Arc<Opened>, size: u64) -> Result<(), Fault> {
        this.is_open_for(DescriptorFlags::WRITE)?;
        let call = format!("set-size {size} {}", this.path);
        self.changed(this, call, None, move |handle, _| Ok(handle.set_size(size)?)).await
    }

    pub(super) async fn set_times(
        &mut self,
        this: &Arc<Opened>,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> Result<(), Fault> {
        let call = format!("set-times {} {} {}", said(&accessed), said(&modified), this.path);
        self.changed(this, call, None, move |handle, _| Ok(handle.set_times(accessed, modified)?)).await
    }

    pub(super) async fn set_times_at(
        &mut self,
        this: &Arc<Opened>,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> Result<(), Fault> {
        let (child, follow) = (this.child(&path)?, follows(flags));
        let call = format!("set-times-at {} {} {}{child}", said(&accessed), said(&modified), link(follow));
        let work = move |handle: &super::Handle| handle.set_times_at(&path, follow, accessed, modified);
        self.changed(this, call, None, move |handle, _| Ok(work(handle)?)).await
    }

    pub(super) async fn read_file_at(
        &mut self,
        this: &Arc<Opened>,
        len: u64,
        offset: u64,
    ) -> Result<(Vec<u8>, bool), Fault> {
        this.is_open_for(DescriptorFlags::READ)?;
        if len == 0 {
            return Ok((Vec::new(), false));
        }
        let bytes = self.read_piece(this, len, offset).await?;
        let ended = bytes.is_empty();
        Ok((bytes.into(), ended))
    }

    /// Up to `len` bytes of a file, or as many as one read has; none at its end.
    pub(super) async fn read_piece(&mut self, this: &Opened, len: u64, offset: u64) -> Result<Bytes, Fault> {
        // It is at most 64 KiB.
        let len = len.min(self.piece()) as usize;
        let call = format!("read {len} at {offset} of {}", this.path);
        self.looked(this, call, move |handle, _| Ok(Bytes::from(handle.read(len, offset)?))).await
    }

    pub(super) async fn write_file_at(
        &mut self,
        this: &Arc<Opened>,
        mut bytes: Vec<u8>,
        offset: u64,
    ) -> Result<u64, Fault> {
        this.is_open_for(DescriptorFlags::WRITE)?;
        // It is at most 64 KiB.
        bytes.truncate(self.piece() as usize);
        let written = bytes.len() as u64;
        self.write_piece(this, bytes, Some(offset)).await?;
        Ok(written)
    }

    /// Writes all of it, at `offset` or else at the end of the file.
    pub(super) async fn write_piece(
        &mut self,
        this: &Opened,
        bytes: Vec<u8>,
        offset: Option<u64>,
    ) -> Result<(), Fault> {
        let (bytes, flags) = (Bytes::from(bytes), this.flags);
        let call = match offset {
            Some(offset) => format!("write at {offset} of {}", this.path),
            None => format!("append to {}", this.path),
        };
        let given = Some(bytes.clone());
        self.changed(this, call, given, move |handle, _| Ok(handle.write(&bytes, offset, flags)?)).await
    }

    pub(super) async fn read_directory(&mut self, this: &Arc<Opened>) -> Result<Listing, Fault> {
        this.is(Kind::Folder)?;
        let limit = self.limits().message;
        let call = format!("read-directory {}", this.path);
        let entries = self.looked(this, call, move |handle, _| Ok(handle.entries(limit)?)).await?;
        Ok(self.ctx().table.push(Listed(entries.into_iter()))?)
    }

    pub(super) async fn create_directory_at(
        &mut self,
        this: &Arc<Opened>,
        path: String,
    ) -> Result<(), Fault> {
        let call = format!("create-directory-at {}", this.child(&path)?);
        self.changed(this, call, None, move |handle, _| Ok(handle.create_dir(&path)?)).await
    }

    pub(super) async fn stat(&mut self, this: &Arc<Opened>) -> Result<DescriptorStat, Fault> {
        let call = format!("stat {}", this.path);
        Ok(self.looked(this, call, |handle, _| Ok(handle.stat()?)).await?.into())
    }

    pub(super) async fn stat_at(
        &mut self,
        this: &Arc<Opened>,
        flags: PathFlags,
        path: String,
    ) -> Result<DescriptorStat, Fault> {
        let follow = follows(flags);
        let call = format!("stat-at {}{}", link(follow), this.child(&path)?);
        Ok(self.looked(this, call, move |handle, _| Ok(handle.stat_at(&path, follow)?)).await?.into())
    }

    pub(super) async fn link_at(
        &mut self,
        this: &Arc<Opened>,
        flags: PathFlags,
        path: String,
        to: This,
        new: String,
    ) -> Result<(), Fault> {
        let to = self.descriptor(&to)?;
        let call = format!("link-at {} {}", this.child(&path)?, to.child(&new)?);
        if follows(flags) {
            return Err(ErrorCode::Invalid.into());
        }
        let to = Arc::clone(&to.slot);
        self.changed(this, call, None, move |handle, folder| {
            Ok(handle.link(&path, to.handle(folder)?, &new)?)
        })
        .await
    }

    pub(super) async fn open_at(
        &mut self,
        this: &Arc<Opened>,
        flags: PathFlags,
        path: String,
        open: OpenFlags,
        mode: DescriptorFlags,
    ) -> Result<This, Fault> {
        let how = Opening { follow: follows(flags), open, flags: mode };
        let planned = this.plan(&path, how, self.count())?;
        let call = format!("open-at {}{}{}", link(how.follow), purposes(open, mode), planned.path);
        let slot = Arc::clone(&planned.slot);
        let opening = move |handle: &super::Handle, folder: &_| slot.open(folder, handle, &path, how);
        let kind = if open.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE) {
            self.changed(this, call, None, opening).await?
        } else {
            self.looked(this, call, opening).await?
        };
        Ok(self.ctx().table.push(Descriptor::opened(planned, kind))?)
    }

    pub(super) async fn readlink_at(&mut self, this: &Arc<Opened>, path: String) -> Result<String, Fault> {
        let call = format!("readlink-at {}", this.child(&path)?);
        self.looked(this, call, move |handle, _| Ok(handle.read_link(&path)?)).await
    }

    pub(super) async fn remove_directory_at(
        &mut self,
        this: &Arc<Opened>,
        path: String,
    ) -> Result<(), Fault> {
        let call = format!("remove-directory-at {}", this.child(&path)?);
        self.changed(this, call, None, move |handle, _| Ok(handle.remove_dir(&path)?)).await
    }

    pub(super) async fn rename_at(
        &mut self,
        this: &Arc<Opened>,
        path: String,
        to: This,
        new: String,
    ) -> Result<(), Fault> {
        let to = self.descriptor(&to)?;
        let call = format!("rename-at {} {}", this.child(&path)?, to.child(&new)?);
        let to = Arc::clone(&to.slot);
        self.changed(this, call, None, move |handle, folder| {
            Ok(handle.rename(&path, to.handle(folder)?, &new)?)
        })
        .await
    }

    pub(super) async fn symlink_at(
        &mut self,
        this: &Arc<Opened>,
        target: String,
        path: String,
    ) -> Result<(), Fault> {
        // Of the target it is checked that it can be recorded; what it names need not be there.
        this.child(&target)?;
        let call = format!("symlink-at {target} {}", this.child(&path)?);
        self.changed(this, call, None, move |handle, _| Ok(handle.symlink(&target, &path)?)).await
    }

    pub(super) async fn unlink_file_at(&mut self, this: &Arc<Opened>, path: String) -> Result<(), Fault> {
        let call = format!("unlink-file-at {}", this.child(&path)?);
        self.changed(this, call, None, move |handle, _| Ok(handle.remove_file(&path)?)).await
    }

    pub(super) async fn is_same_object(&mut self, this: &This, other: &This) -> wasmtime::Result<bool> {
        let (this, other) = (self.descriptor(this)?, self.descriptor(other)?);
        let call = format!("is-same-object {} {}", this.path, other.path);
        let other = Arc::clone(&other.slot);
        let same = self
            .looked(&this, call, move |handle, folder| Ok(handle.hash()? == other.handle(folder)?.hash()?));
        // There is no error to tell: of what cannot be looked at nobody knows that it is the same.
        Ok(Fault::to_guest(same.await)?.unwrap_or(false))
    }

    pub(super) async fn metadata_hash(&mut self, this: &Arc<Opened>) -> Result<MetadataHashValue, Fault> {
        let call = format!("metadata-hash {}", this.path);
        let (lower, upper) = self.looked(this, call, |handle, _| Ok(handle.hash()?)).await?;
        Ok(MetadataHashValue { lower, upper })
    }

    pub(super) async fn metadata_hash_at(
        &mut self,
        this: &Arc<Opened>,
        flags: PathFlags,
        path: String,
    ) -> Result<MetadataHashValue, Fault> {
        let follow = follows(flags);
        let call = format!("metadata-hash-at {}{}", link(follow), this.child(&path)?);
        let hash = self.looked(this, call, move |handle, _| Ok(handle.hash_at(&path, follow)?));
        let (lower, upper) = hash.await?;
        Ok(MetadataHashValue { lower, upper })
    }
}

fn follows(flags: PathFlags) -> bool {
    flags.contains(PathFlags::SYMLINK_FOLLOW)
}

/// What a record says of a path at whose end a link is not followed.
fn link(follow: bool) -> &'static str {
    if follow { "" } else { "nofollow " }
}

/// What a record says of how something is opened.
fn purposes(open: OpenFlags, mode: DescriptorFlags) -> String {
    let opens = [
        (OpenFlags::CREATE, "create "),
        (OpenFlags::DIRECTORY, "directory "),
        (OpenFlags::EXCLUSIVE, "exclusive "),
        (OpenFlags::TRUNCATE, "truncate "),
    ];
    let modes = [
        (DescriptorFlags::READ, "read "),
        (DescriptorFlags::WRITE, "write "),
        (DescriptorFlags::FILE_INTEGRITY_SYNC, "file-integrity-sync "),
        (DescriptorFlags::DATA_INTEGRITY_SYNC, "data-integrity-sync "),
        (DescriptorFlags::REQUESTED_WRITE_SYNC, "requested-write-sync "),
        (DescriptorFlags::MUTATE_DIRECTORY, "mutate-directory "),
    ];
    let opens = opens.into_iter().filter(|(flag, _)| open.contains(*flag)).map(|(_, word)| word);
    let modes = modes.into_iter().filter(|(flag, _)| mode.contains(*flag)).map(|(_, word)| word);
    opens.chain(modes).collect()
}

/// What a record says of a time that a file is to have.
fn said(time: &NewTimestamp) -> String {
    match time {
        NewTimestamp::NoChange => "no-change".to_owned(),
        NewTimestamp::Now => "now".to_owned(),
        NewTimestamp::Timestamp(time) => format!("{}.{:09}", time.seconds, time.nanoseconds),
    }
}
