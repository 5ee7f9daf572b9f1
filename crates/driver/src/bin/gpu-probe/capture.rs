//! What is legal while a stream is being captured: for each mode of the capture, each call, on the
//! capturing thread and on another, with and without the thread's own mode set to relaxed.

use anyhow::Result;
use driver::cuda::{CaptureMode, Driver, Event, Primary, Stream};
use serde_json::{Value, json};

const MODES: [(&str, CaptureMode); 3] = [
    ("global", CaptureMode::Global),
    ("thread-local", CaptureMode::ThreadLocal),
    ("relaxed", CaptureMode::Relaxed),
];

/// A call that we might add to a program's own.
type Call = fn(&Bystander<'_>) -> driver::Result<()>;

const CALLS: [(&str, Call); 7] = [
    ("event query", |by| by.event.query()),
    ("event record", |by| by.stream.record(&by.event)),
    ("event synchronize", |by| by.event.synchronize()),
    ("stream query", |by| by.stream.query()),
    ("event create", |by| by.driver.event(true).map(drop)),
    ("memory info", |by| by.driver.mem_info().map(drop)),
    ("allocate and free", |by| by.driver.alloc(4096).and_then(|one| by.driver.free(one))),
];

/// What a call works on: nothing of it is captured.
struct Bystander<'d> {
    driver: &'d Driver,
    stream: Stream<'d>,
    event: Event<'d>,
}

pub(crate) fn ask(driver: &Driver, primary: &Primary<'_>) -> Result<Value> {
    // A driver that cannot capture at all says so once.
    let stream = driver.stream()?;
    stream.begin_capture(CaptureMode::Relaxed)?;
    stream.end_capture()?;
    let mut rows = Vec::new();
    for (mode_name, mode) in MODES {
        for (call_name, call) in CALLS {
            for on_other_thread in [false, true] {
                for relaxed in [false, true] {
                    let place = Place { mode, on_other_thread, relaxed };
                    let codes = place.attempt(driver, primary, call).ok();
                    rows.push(json!({
                        "capture": mode_name, "call": call_name, "relaxed": relaxed,
                        "thread": if on_other_thread { "another" } else { "capturing" },
                        "call_code": codes.map(|codes| codes.0),
                        "end_code": codes.map(|codes| codes.1),
                    }));
                }
            }
        }
    }
    Ok(Value::Array(rows))
}

struct Place {
    mode: CaptureMode,
    on_other_thread: bool,
    relaxed: bool,
}

impl Place {
    /// The code of the call, and that of the capture's end, which tells whether it survived.
    fn attempt(
        &self,
        driver: &Driver,
        primary: &Primary<'_>,
        call: Call,
    ) -> driver::Result<(Option<u32>, Option<u32>)> {
        let (captured, stream) = (driver.stream()?, driver.stream()?);
        let bystander = Bystander { driver, stream, event: driver.event(true)? };
        bystander.stream.record(&bystander.event)?;
        bystander.stream.synchronize()?;
        captured.begin_capture(self.mode)?;
        let answer = match self.on_other_thread {
            false => self.call(&bystander, call),
            true => std::thread::scope(|scope| {
                let work = || primary.make_current().and_then(|()| self.call(&bystander, call));
                let thread = scope.spawn(work);
                thread.join().unwrap_or(Err(driver::Error::Missing { call: "thread" }))
            }),
        };
        Ok((code(&answer), code(&captured.end_capture().map(drop))))
    }

    fn call(&self, bystander: &Bystander<'_>, call: Call) -> driver::Result<()> {
        if !self.relaxed {
            return call(bystander);
        }
        let before = bystander.driver.exchange_capture_mode(CaptureMode::Relaxed)?;
        let answer = call(bystander);
        bystander.driver.exchange_capture_mode(before)?;
        answer
    }
}

fn code(answer: &driver::Result<()>) -> Option<u32> {
    answer.as_ref().map_or_else(driver::Error::code, |()| Some(0))
}
