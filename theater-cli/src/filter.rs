//! Which events are wanted: what users write, and whether an event is one of them.

use std::ops::Range;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use theater_core::{EventHeader, EventKind};

use crate::args::FilterArgs;

/// A kind's whole name, or how its name begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KindFilter(String);

impl KindFilter {
    fn takes(&self, kind: EventKind) -> bool {
        kind.to_string().starts_with(&self.0)
    }
}

impl FromStr for KindFilter {
    type Err = String;

    /// Refuses what no event can be: a slip of the finger would look like a chain without events.
    fn from_str(text: &str) -> Result<Self, String> {
        let filter = Self(text.to_owned());
        let unknown = text.strip_prefix("kind/").is_some_and(|number| number.parse::<u16>().is_ok());
        if unknown || EventKind::ALL.iter().any(|kind| filter.takes(*kind)) {
            return Ok(filter);
        }
        let names = EventKind::ALL.iter().filter_map(|kind| kind.name());
        Err(match crate::select::nearest(text, names).first() {
            Some(near) => format!("no kind of event begins so; perhaps {near}"),
            None => "no kind of event begins so; docs/chain-format.md has them all".to_owned(),
        })
    }
}

/// A moment, in nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) u64);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = match humantime::parse_duration(text) {
            Ok(ago) => SystemTime::now().checked_sub(ago),
            Err(_) => Some(humantime::parse_rfc3339_weak(text).map_err(|_| {
                "neither a time, such as 2026-01-31T12:00:00Z, nor how long ago, such as 10m".to_owned()
            })?),
        };
        let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        Ok(Self(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Positions on a chain: from the first on, up to the second, which is not one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Positions(Range<u64>);

impl FromStr for Positions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str, otherwise: u64| match text {
            "" => Ok(otherwise),
            text => text.parse().map_err(|_| format!("`{text}` is no position; write 5..10, 5.., ..10 or 7")),
        };
        let range = match text.split_once("..") {
            Some((from, to)) => number(from, 0)?..number(to, u64::MAX)?,
            None if text.is_empty() => return Err("write 5..10, 5.., ..10 or 7".to_owned()),
            None => {
                let at = number(text, 0)?;
                at..at.saturating_add(1)
            }
        };
        if range.is_empty() {
            return Err(format!("there is no position in {text}: the second is not one of them"));
        }
        Ok(Self(range))
    }
}

/// Which events are wanted, but for whose they are.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    kinds: Vec<KindFilter>,
    times: Range<u64>,
    positions: Range<u64>,
}

impl From<&FilterArgs> for Filter {
    fn from(args: &FilterArgs) -> Self {
        Self {
            kinds: args.kinds.clone(),
            times: args.since.map_or(0, |since| since.0)..args.until.map_or(u64::MAX, |until| until.0),
            positions: args.seq.clone().map_or(0..u64::MAX, |positions| positions.0),
        }
    }
}

impl Filter {
    /// The positions that are worth reading.
    pub(crate) fn positions(&self) -> Range<u64> {
        self.positions.clone()
    }

    /// Whether the event is wanted.
    pub(crate) fn takes(&self, header: &EventHeader) -> bool {
        self.positions.contains(&header.seq)
            && self.times.contains(&header.time)
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind.takes(header.kind)))
    }

    /// Whether whole chains are wanted.
    pub(crate) fn takes_all(&self) -> bool {
        self.kinds.is_empty() && self.times == (0..u64::MAX) && self.positions == (0..u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_a_range_or_one() {
        let range = |text: &str| text.parse::<Positions>().map(|positions| positions.0);
        assert_eq!(range("5..10"), Ok(5..10));
        assert_eq!(range("5.."), Ok(5..u64::MAX));
        assert_eq!(range("..10"), Ok(0..10));
        assert_eq!(range("7"), Ok(7..8));
        for wrong in ["", "7..7", "9..3", "x", "1..y", "-1.."] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn kinds_are_meant_whole_or_by_how_they_begin_and_others_are_refused() {
        let takes = |filter: &str, kind| filter.parse::<KindFilter>().unwrap().takes(kind);
        assert!(takes("theater/call", EventKind::CALL));
        assert!(takes("theater:simple/supervisor", EventKind::SPAWN));
        assert!(!takes("theater/call", EventKind::LOG));
        assert!(takes("kind/65000", EventKind(65_000)));
        let error = "theater/cal1".parse::<KindFilter>().unwrap_err();
        assert!(error.ends_with("perhaps theater/call"), "{error}");
    }

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(Moment(1_000_000_000)));
        assert_eq!("1970-01-01 00:00:01".parse(), Ok(Moment(1_000_000_000)));
        let (long, short) = ("2h".parse::<Moment>().unwrap(), "1h".parse::<Moment>().unwrap());
        assert!(long < short);
        assert!("yesterday".parse::<Moment>().is_err());
    }
}
