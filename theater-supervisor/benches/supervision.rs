//! What supervision costs: `cargo bench -p theater-supervisor`
//!
//! Prints the processor-bound cost of one decision at 1, 1,000 and 100,000 children, and how long 100,000 children take to
//! start and to stop in order on a runtime that does nothing else. Each figure is the median of its rounds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use theater_core::{
    ActorHandle, ActorId, ActorRuntime, Caller, ChildSpec, ExitReason, Incarnation, RestartPolicy,
    ShutdownController, Strategy, SupervisionSpec,
};
use theater_supervisor::{Action, By, CallId, ChildKey, Input, Machine, Request, SupervisorHost, Tick};
use theater_testkit::MockRuntime;

const ROUNDS: usize = 15;
/// Exits that are decided in one go, each of another child.
const BATCH: usize = 512;

fn main() {
    let filter = std::env::args().nth(1).filter(|argument| !argument.starts_with('-')).unwrap_or_default();
    if "decisions".contains(&filter) {
        decisions();
    }
    if "children".contains(&filter) {
        children();
    }
}

fn decisions() {
    println!("one decision, ns (ratio to 1 child)");
    println!("{:36} {:>10} {:>18} {:>18}", "", "1", "1,000", "100,000");
    floor();
    for (name, strategy) in
        [("one-for-one", Strategy::OneForOne), ("simple-one-for-one", Strategy::SimpleOneForOne)]
    {
        for (what, measure) in [
            ("exit and restart", exit as fn(&mut Bench) -> Duration),
            ("stop and start", stop_and_start),
            ("count", count),
        ] {
            let costs = [1, 1_000, 100_000].map(|children| {
                let mut bench = Bench::new(strategy, children);
                median(|| measure(&mut bench)).as_nanos() as f64 / BATCH as f64
            });
            let ratio = |cost: f64| format!("{cost:.0} ({:.2})", cost / costs[0]);
            println!(
                "{:36} {:>10.0} {:>18} {:>18}",
                format!("{name}: {what}"),
                costs[0],
                ratio(costs[1]),
                ratio(costs[2])
            );
        }
    }
}

/// What finding a child costs at least: a lookup in a table of places, and one line of memory there. The processor's caches
/// hold little of 100,000 children, so even this is not flat.
fn floor() {
    let costs = [1_u64, 1_000, 100_000].map(|children| {
        let hash = |id: u64| id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let places: Vec<Line> = (0..children).map(|id| Line([id, 0, 0, 0, 0, 0, 0, 0])).collect();
        let mut table = hashbrown::HashTable::new();
        for place in 0..u32::try_from(children).expect("they are few") {
            table.insert_unique(hash(u64::from(place)), place, |place| hash(u64::from(*place)));
        }
        let mut random = 1_u64;
        let time = median(|| {
            let ids: Vec<_> = (0..BATCH)
                .map(|_| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (random >> 33) % children
                })
                .collect();
            let begin = Instant::now();
            for id in ids {
                let found = table.find(hash(id), |place| places[*place as usize].0[0] == id);
                std::hint::black_box(found);
            }
            begin.elapsed()
        });
        time.as_nanos() as f64 / BATCH as f64
    });
    let ratio = |cost: f64| format!("{cost:.0} ({:.2})", cost / costs[0]);
    println!("{:36} {:>10.0} {:>18} {:>18}", "floor: find one", costs[0], ratio(costs[1]), ratio(costs[2]));
}

#[repr(align(64))]
struct Line([u64; 8]);

fn median(mut measure: impl FnMut() -> Duration) -> Duration {
    measure();
    let mut times: Vec<_> = (0..ROUNDS).map(|_| measure()).collect();
    times.sort_unstable();
    times[ROUNDS / 2]
}

/// A machine whose children all run.
struct Bench {
    machine: Machine,
    children: Vec<Child>,
    now: u64,
    random: u64,
    actions: Vec<Action>,
}

struct Child {
    key: ChildKey,
    id: ActorId,
    incarnation: u64,
}

impl Bench {
    fn new(strategy: Strategy, children: u64) -> Self {
        let spec = SupervisionSpec::new(u32::MAX, Duration::from_millis(1)).with_strategy(strategy);
        let mut bench = Self {
            machine: Machine::new(spec),
            children: Vec::new(),
            now: 0,
            random: 1,
            actions: Vec::new(),
        };
        for number in 0..children {
            bench.start(number);
        }
        bench
    }

    fn start(&mut self, number: u64) {
        let request = Request::Start { id: None, child_spec: Some(ChildSpec::new(RestartPolicy::Permanent)) };
        self.step(Input::Call { call: CallId(number), by: By::Guest, request });
        let key = self.actions.iter().find_map(|action| match action {
            Action::Start { child, .. } => Some(*child),
            _ => None,
        });
        let child = Child {
            key: key.expect("a start"),
            id: ActorId::from_parts(
                number,
                number.to_le_bytes().repeat(2)[..10].try_into().expect("ten bytes"),
            ),
            incarnation: 1,
        };
        self.step(started(&child));
        self.children.push(child);
    }

    fn step(&mut self, input: Input) {
        self.actions.clear();
        self.machine.step(Tick(self.now), input, &mut self.actions);
    }

    /// Different children, or the one there is, again and again.
    fn pick(&mut self) -> usize {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.random >> 33).expect("it fits") % self.children.len()
    }
}

fn started(child: &Child) -> Input {
    Input::Started {
        child: child.key,
        id: child.id,
        incarnation: Incarnation(child.incarnation),
        child_spec: ChildSpec::new(RestartPolicy::Permanent),
    }
}

/// The exits alone: they are decided between the restarts, which are not timed.
fn exit(bench: &mut Bench) -> Duration {
    let reason = Arc::new(ExitReason::Killed);
    let mut time = Duration::ZERO;
    let size = BATCH.min(bench.children.len());
    for _ in 0..BATCH / size {
        // Past the window: what it holds is a batch at most.
        bench.now += 10;
        let mut picked: Vec<_> = (0..size).map(|_| bench.pick()).collect();
        picked.sort_unstable();
        picked.dedup();
        // In no order that memory is in.
        picked.sort_unstable_by_key(|index| index.wrapping_mul(2_654_435_761) % 65_521);
        let inputs: Vec<_> = picked
            .iter()
            .map(|index| {
                let child = &bench.children[*index];
                Input::Exited {
                    id: child.id,
                    incarnation: Incarnation(child.incarnation),
                    reason: Arc::clone(&reason),
                    progressed: Some(true),
                }
            })
            .collect();
        let count = inputs.len();
        let begin = Instant::now();
        for input in inputs {
            bench.step(input);
        }
        // Fewer than a batch where one was picked twice.
        time += begin.elapsed().mul_f64(size as f64 / count as f64);
        for index in picked {
            bench.children[index].incarnation += 1;
            let input = started(&bench.children[index]);
            bench.step(input);
        }
    }
    time
}

fn stop_and_start(bench: &mut Bench) -> Duration {
    let picked: Vec<_> = (0..BATCH).map(|_| bench.pick()).collect();
    let begin = Instant::now();
    for index in picked {
        let (key, id) = (bench.children[index].key, bench.children[index].id);
        let info = theater_core::ActorInfo::new(id, None, String::new(), theater_core::ActorStatus::Running)
            .with_incarnation(Incarnation(bench.children[index].incarnation));
        let request = Request::Renew(theater_supervisor::Target::Actor(info));
        bench.step(Input::Call { call: CallId(0), by: By::Guest, request });
        bench.children[index].incarnation += 1;
        let input = started(&bench.children[index]);
        bench.step(input);
        assert_eq!(bench.children[index].key, key, "it keeps its place");
    }
    begin.elapsed()
}

fn count(bench: &mut Bench) -> Duration {
    let begin = Instant::now();
    for _ in 0..BATCH {
        std::hint::black_box(bench.machine.count_children());
    }
    begin.elapsed()
}

/// Start and ordered stop of many children through the driver.
fn children() {
    const CHILDREN: usize = 100_000;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    println!("{CHILDREN} children through the driver on a runtime that does nothing, ms");
    let mut rounds: Vec<_> = (0..3)
        .map(|_| {
            runtime.block_on(async {
                let fake = MockRuntime::new();
                let caller = Caller::new(fake.root(), Arc::new(fake.clone()) as Arc<dyn ActorRuntime>);
                let host = SupervisorHost::builder().build();
                let (shutdown, receiver) = ShutdownController::new();
                let handle = ActorHandle::new(caller.id, Arc::clone(&caller.runtime));
                let supervisor = tokio::spawn(host.start(handle, receiver));
                let supervision = host.handle();
                let begin = Instant::now();
                for number in 0..CHILDREN {
                    let manifest = theater_core::SpawnRequest::new(None, "permanent");
                    let spec = ChildSpec::new(RestartPolicy::Permanent);
                    supervision.start_child(&number.to_string(), spec, manifest).await.expect("it starts");
                }
                let start = begin.elapsed();
                let begin = Instant::now();
                shutdown.shutdown();
                supervisor.await.expect("no panic").expect("it was asked to end");
                (start, begin.elapsed())
            })
        })
        .collect();
    rounds.sort_unstable();
    let (start, stop) = rounds[1];
    println!("start, one after the other {:>8}", start.as_millis());
    println!("stop, in reverse order     {:>8}", stop.as_millis());
}
