//! `theater:simple/random`: values of the operating system, or of a stream that a seed repeats.

use std::sync::Mutex;
use std::sync::PoisonError;

use theater_core::capability::RandomGrant;
use theater_core::{Bytes, EventKind};
use wasmtime::component::Linker;

use super::bindings::theater::simple::random;
use super::record::subject;
use super::services::{Refusal, Services};
use crate::store::ActorStore;

/// The interface, as imports name it.
pub(crate) const INTERFACE: &str = "theater:simple/random";

pub(crate) fn add_to_linker(linker: &mut Linker<ActorStore>) -> wasmtime::Result<()> {
    super::under_both_names(linker, INTERFACE, |instance| {
        random::add_to_linker_instance::<_, super::OfStore>(instance, |store| store)
    })
}

/// Where random bytes come from.
#[derive(Debug)]
pub(crate) enum Generator {
    /// The operating system.
    System,
    /// BLAKE3's output under a key of the seed, from its beginning on.
    Seeded(Box<Mutex<blake3::OutputReader>>),
}

impl Generator {
    /// The stream of a seed for one life of one actor. Another life and another actor have another stream, so that what one
    /// drew is not drawn again.
    pub(super) fn seeded(seed: u64, life: &[u64]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("theater 2026-11 seeded random values of an actor");
        hasher.update(&seed.to_le_bytes());
        for part in life {
            hasher.update(&part.to_le_bytes());
        }
        Self::Seeded(Box::new(Mutex::new(hasher.finalize_xof())))
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<(), Refusal> {
        match self {
            Self::System => getrandom::fill(bytes).map_err(Refusal::NoRandomness),
            Self::Seeded(stream) => {
                stream.lock().unwrap_or_else(PoisonError::into_inner).fill(bytes);
                Ok(())
            }
        }
    }

    fn number(&self) -> Result<u64, Refusal> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// A number below `span`, each as likely as the others: what would favour some is drawn again.
    fn below(&self, span: u64) -> Result<u64, Refusal> {
        let unfair = (u64::MAX % span + 1) % span;
        loop {
            let number = self.number()?;
            if number <= u64::MAX - unfair {
                return Ok(number % span);
            }
        }
    }

    /// 53 random bits behind the point: every multiple of 2^-53 is as likely.
    fn float(&self) -> Result<f64, Refusal> {
        // Both casts are exact.
        Ok((self.number()? >> 11) as f64 / (1u64 << 53) as f64)
    }

    fn uuid(&self) -> Result<String, Refusal> {
        let mut bytes = [0; 16];
        self.fill(&mut bytes)?;
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
    }
}

fn granted(services: &Services) -> Result<(&RandomGrant, &Generator), Refusal> {
    services.random.as_ref().map(|(grant, generator)| (grant, generator)).ok_or(Refusal::NotGranted)
}

fn range(services: &Services, min: u64, max: u64) -> Result<u64, Refusal> {
    let (grant, generator) = granted(services)?;
    if min >= max {
        return Err(Refusal::EmptyRange { min, max });
    }
    if max > grant.max_int {
        return Err(Refusal::TooHigh { max, limit: grant.max_int });
    }
    Ok(min + generator.below(max - min)?)
}

impl random::Host for ActorStore {
    async fn random_bytes(&mut self, length: u32) -> wasmtime::Result<Result<Vec<u8>, String>> {
        let subject = subject(&[&length.to_string()]);
        let bytes = self.observed(EventKind::RANDOM_BYTES, subject, |services| async move {
            let (grant, generator) = granted(&services)?;
            let (asked, limit) = (u64::from(length), grant.max_bytes.min(services.content_limit));
            if asked > limit {
                return Err(Refusal::TooManyBytes { asked, limit });
            }
            let mut bytes = vec![0; length as usize];
            generator.fill(&mut bytes)?;
            Ok(Bytes::from(bytes))
        });
        Ok(bytes.await?.map(Vec::from))
    }

    async fn random_range(&mut self, min: u64, max: u64) -> wasmtime::Result<Result<u64, String>> {
        let subject = subject(&[&min.to_string(), &max.to_string()]);
        self.observed(EventKind::RANDOM_RANGE, subject, |services| async move { range(&services, min, max) })
            .await
    }

    async fn random_float(&mut self) -> wasmtime::Result<Result<f64, String>> {
        self.observed(EventKind::RANDOM_FLOAT, String::new(), |services| async move {
            granted(&services)?.1.float()
        })
        .await
    }

    async fn generate_uuid(&mut self) -> wasmtime::Result<Result<String, String>> {
        self.observed(EventKind::GENERATE_UUID, String::new(), |services| async move {
            granted(&services)?.1.uuid()
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_stream_for_one_life_and_no_other() {
        let draw = |seed, life: &[u64]| {
            let generator = Generator::seeded(seed, life);
            (generator.uuid().unwrap(), generator.number().unwrap())
        };
        assert_eq!(draw(1, &[1, 2, 1]), draw(1, &[1, 2, 1]));
        for other in [draw(2, &[1, 2, 1]), draw(1, &[1, 2, 2]), draw(1, &[2, 1, 1]), draw(1, &[1, 2])] {
            assert_ne!(other, draw(1, &[1, 2, 1]));
        }
    }

    #[test]
    fn numbers_are_in_their_range_and_all_of_them_come_up() {
        let generator = Generator::seeded(7, &[]);
        for span in [1, 2, 3, 10, u64::MAX / 2 + 2, u64::MAX] {
            for _ in 0..100 {
                assert!(generator.below(span).unwrap() < span);
                assert!((0.0..1.0).contains(&generator.float().unwrap()));
            }
        }
        let mut seen = [0; 6];
        for _ in 0..600 {
            seen[usize::try_from(generator.below(6).unwrap()).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| (50..200).contains(count)), "{seen:?}");
    }

    #[test]
    fn uuids_are_of_version_4() {
        let uuid = Generator::System.uuid().unwrap();
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"));
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
        assert_ne!(uuid, Generator::System.uuid().unwrap());
    }
}
