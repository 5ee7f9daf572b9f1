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
    let mut rows = Vec::new();
    for (mode_name, mode) in MODES {
        for (call_name, call) in CALLS {
            for on_other_thread in [false, true] {
                for relaxed in [false, true] {
                    let place = Place { mode, on_other_thread, relaxed };
                    rows.push(json!({
                        "capture": mode_name, "call": call_name, "relaxed": relaxed,
                        "thread": if on_other_thread { "another" } else { "capturing" },
                        "codes": place.attempt(driver, primary, call),
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
    fn attempt(&self, driver: &Driver, primary: &Primary<'_>, call: Call) -> Value {
        match self.capture(driver, primary, call) {
            Ok((call, end)) => json!({"call": code(&call), "end_of_capture": code(&end)}),
            Err(error) => json!({"error": error.to_string()}),
        }
    }

    fn capture(
        &self,
        driver: &Driver,
        primary: &Primary<'_>,
        call: Call,
    ) -> driver::Result<(driver::Result<()>, driver::Result<()>)> {
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
        Ok((answer, captured.end_capture().map(drop)))
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
