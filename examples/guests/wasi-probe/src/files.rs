//! Calls of `wasi:filesystem`. What a guest opens it keeps, and names by the number that it got; 0 is its folder.

use std::cell::RefCell;

use crate::number;
use crate::wasi::clocks::wall_clock::Datetime;
use crate::wasi::filesystem::preopens;
use crate::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags, filesystem_error_code,
};
use crate::wasi::io::streams::{InputStream, OutputStream, StreamError};

#[derive(Default)]
struct Kept {
    open: Vec<Option<Descriptor>>,
    inputs: Vec<InputStream>,
    outputs: Vec<OutputStream>,
}

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

pub fn call(function: &str, rest: &str) -> Result<String, String> {
    KEPT.with_borrow_mut(|kept| {
        if kept.open.is_empty() {
            kept.open.extend(preopens::get_directories().into_iter().map(|(folder, _)| Some(folder)));
        }
        kept.call(function, rest)
    })
}

impl Kept {
    fn call(&mut self, function: &str, rest: &str) -> Result<String, String> {
        let mut words = rest.split(' ');
        let mut word = || words.next().ok_or_else(|| format!("{function} wants more words"));
        let this = self.open(word()?)?;
        Ok(match function {
            "open" => {
                let (path, letters) = (word()?, word()?);
                let opened = this.open_at(follow(letters), path, open_flags(letters), flags(letters));
                match opened {
                    Ok(opened) => {
                        self.open.push(Some(opened));
                        (self.open.len() - 1).to_string()
                    }
                    Err(error) => said(error),
                }
            }
            "close" => {
                let index: usize = number(rest)?;
                self.open[index] = None;
                "ok".to_owned()
            }
            "type" => answer(this.get_type()),
            "flags" => answer(this.get_flags()),
            "read" => {
                let read = this.read(number(word()?)?, number(word()?)?);
                text(read.map(|(bytes, ended)| format!("{} {ended}", String::from_utf8_lossy(&bytes))))
            }
            "write" => answer(this.write(word()?.as_bytes(), number(word()?)?)),
            "size" => done(this.set_size(number(word()?)?)),
            "times" => {
                let (accessed, modified) = (time(word()?)?, time(word()?)?);
                done(this.set_times(accessed, modified))
            }
            "times-at" => {
                let (path, accessed, modified) = (word()?, time(word()?)?, time(word()?)?);
                done(this.set_times_at(PathFlags::empty(), path, accessed, modified))
            }
            "sync" => format!("{} {}", done(this.sync()), done(this.sync_data())),
            "stat" => answer(this.stat()),
            "stat-at" => answer(this.stat_at(PathFlags::SYMLINK_FOLLOW, word()?)),
            "stat-link-at" => answer(this.stat_at(PathFlags::empty(), word()?)),
            "hash" => text(this.metadata_hash().map(|hash| format!("{:x} {:x}", hash.lower, hash.upper))),
            "same" => this.is_same_object(self.open(word()?)?).to_string(),
            "list" => match this.read_directory() {
                Ok(listing) => {
                    let mut names = Vec::new();
                    while let Some(entry) = listing.read_directory_entry().map_err(said)? {
                        names.push(format!("{}:{:?}", entry.name, entry.type_));
                    }
                    names.join(" ")
                }
                Err(error) => said(error),
            },
            "mkdir" => done(this.create_directory_at(word()?)),
            "rmdir" => done(this.remove_directory_at(word()?)),
            "unlink" => done(this.unlink_file_at(word()?)),
            "rename" => done(this.rename_at(word()?, this, word()?)),
            "link" => done(this.link_at(PathFlags::empty(), word()?, this, word()?)),
            "symlink" => done(this.symlink_at(word()?, word()?)),
            "readlink" => text(this.readlink_at(word()?)),
            // The whole file, through a stream.
            "cat" => match this.read_via_stream(0) {
                Ok(stream) => cat(&stream),
                Err(error) => said(error),
            },
            "put" | "append" => {
                let stream = if function == "put" { this.write_via_stream(0) } else { this.append_via_stream() };
                match stream {
                    Ok(stream) => written(stream.blocking_write_and_flush(word()?.as_bytes())),
                    Err(error) => said(error),
                }
            }
            "fill" => {
                let stream = this.write_via_stream(0).map_err(said)?;
                written(stream.blocking_write_and_flush(&vec![b'x'; number(word()?)?]))
            }
            "zeroes" => {
                let stream = this.write_via_stream(0).map_err(said)?;
                written(stream.write_zeroes(number(word()?)?))
            }
            "copy" => {
                let (from, to) = (this.read_via_stream(0), self.open(word()?)?.write_via_stream(0));
                let (from, to) = (from.map_err(said)?, to.map_err(said)?);
                let (mut moved, mut pieces) = (0, 0);
                let end = loop {
                    match to.splice(&from, 1 << 20) {
                        Ok(bytes) => {
                            moved += bytes;
                            pieces += 1;
                        }
                        Err(error) => break failed(error),
                    }
                };
                format!("{moved} in {pieces}, then {end}")
            }
            // A stream that is kept until the next call, and read or written a piece at a time.
            "stream-in" => {
                let stream = this.read_via_stream(number(word()?)?).map_err(said)?;
                self.inputs.push(stream);
                "ok".to_owned()
            }
            "stream-out" => {
                let stream = this.write_via_stream(number(word()?)?).map_err(said)?;
                self.outputs.push(stream);
                "ok".to_owned()
            }
            "next" => {
                let stream = self.inputs.last().ok_or("no stream is open")?;
                stream.subscribe().block();
                piece(stream.read(number(word()?)?))
            }
            "skip" => {
                let skipped = self.inputs.last().ok_or("no stream is open")?.skip(number(word()?)?);
                skipped.map_or_else(failed, |skipped| skipped.to_string())
            }
            "push" => {
                let stream = self.outputs.last().ok_or("no stream is open")?;
                written(stream.blocking_write_and_flush(word()?.as_bytes()))
            }
            "push-too-much" => {
                let stream = self.outputs.last().ok_or("no stream is open")?;
                let allowed = stream.check_write().map_err(failed)?;
                written(stream.write(&vec![b'x'; allowed as usize + 1]))
            }
            _ => return Err(format!("no function file-{function}")),
        })
    }

    fn open(&self, index: &str) -> Result<&Descriptor, String> {
        let index: usize = number(index)?;
        self.open.get(index).and_then(Option::as_ref).ok_or_else(|| format!("nothing is open as {index}"))
    }
}

fn follow(letters: &str) -> PathFlags {
    if letters.contains('n') { PathFlags::empty() } else { PathFlags::SYMLINK_FOLLOW }
}

fn open_flags(letters: &str) -> OpenFlags {
    let flag = |letter: char| match letter {
        'c' => OpenFlags::CREATE,
        'd' => OpenFlags::DIRECTORY,
        'x' => OpenFlags::EXCLUSIVE,
        't' => OpenFlags::TRUNCATE,
        _ => OpenFlags::empty(),
    };
    letters.chars().map(flag).fold(OpenFlags::empty(), |all, flag| all | flag)
}

fn flags(letters: &str) -> DescriptorFlags {
    let flag = |letter: char| match letter {
        'r' => DescriptorFlags::READ,
        'w' => DescriptorFlags::WRITE,
        's' => DescriptorFlags::FILE_INTEGRITY_SYNC,
        _ => DescriptorFlags::empty(),
    };
    letters.chars().map(flag).fold(DescriptorFlags::empty(), |all, flag| all | flag)
}

fn time(word: &str) -> Result<NewTimestamp, String> {
    Ok(match word {
        "-" => NewTimestamp::NoChange,
        "now" => NewTimestamp::Now,
        seconds => NewTimestamp::Timestamp(Datetime { seconds: number(seconds)?, nanoseconds: 500_000_000 }),
    })
}

fn said(error: ErrorCode) -> String {
    format!("error {}", error.name())
}

fn answer(result: Result<impl std::fmt::Debug, ErrorCode>) -> String {
    result.map_or_else(said, |answer| format!("{answer:?}"))
}

fn text(result: Result<String, ErrorCode>) -> String {
    result.unwrap_or_else(said)
}

fn done(result: Result<(), ErrorCode>) -> String {
    result.map_or_else(said, |()| "ok".to_owned())
}

fn failed(error: StreamError) -> String {
    match error {
        StreamError::Closed => "closed".to_owned(),
        StreamError::LastOperationFailed(error) => {
            filesystem_error_code(&error).map_or_else(|| "another error".to_owned(), said)
        }
    }
}

fn written(result: Result<(), StreamError>) -> String {
    result.map_or_else(failed, |()| "ok".to_owned())
}

fn piece(result: Result<Vec<u8>, StreamError>) -> String {
    result.map_or_else(failed, |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn cat(stream: &InputStream) -> String {
    let mut all = Vec::new();
    loop {
        match stream.blocking_read(10_000) {
            Ok(bytes) => all.extend(bytes),
            Err(StreamError::Closed) => return String::from_utf8_lossy(&all).into_owned(),
            Err(error) => return failed(error),
        }
    }
}
