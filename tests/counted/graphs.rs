//! Memory of graphs: charged when the driver takes it, and until it is trimmed.

use contract::Mib;

use crate::container::Outcome;
use crate::graph_stage::{ROOM, World, client};
use crate::stage::{self, half};

/// A graph that allocates 100 MiB and frees them.
const GRAPH: &str = "graph=0 take=0,0,100 give=0,0";

#[test]
fn a_graph_is_charged_at_its_launch_and_kept_until_it_is_trimmed() {
    let words = format!(
        "used {GRAPH} used make=0,0 used launch=0 used launch=0 used end=0 graph-end=0 used trim used"
    );
    assert_eq!(World::new().used(&words), [0.0, 0.0, 0.0, 100.0, 100.0, 100.0, 0.0]);
}

#[test]
fn each_form_of_a_call_is_charged() {
    for (make, take) in [
        ("make=0,0", "launch=0"),
        ("make-v1=0,0", "launch-ptsz=0,1"),
        ("make-v2=0,0", "upload=0"),
        ("make-with=0,0", "upload-ptsz=0,1"),
        ("make-with-ptsz=0,0", "launch=0"),
    ] {
        let words = format!("{GRAPH} {make} used {take} used trim used");
        assert_eq!(World::new().used(&words), [0.0, 100.0, 0.0], "{make} {take}");
    }
}

#[test]
fn a_graph_that_is_uploaded_as_it_is_made_is_charged_then() {
    for make in ["make-with", "make-with-ptsz"] {
        let words = format!("{GRAPH} {make}=0,0,2 used end=0 trim used");
        assert_eq!(World::new().used(&words), [100.0, 0.0], "{make}");
        let much = format!("graph=0 take=0,0,{} {make}=0,0,2 used make=0,0 launch=0", ROOM + 1);
        let outcome = World::new().run(&much);
        assert_eq!(outcome.of(&format!("{make}=0,0,2")), "2");
        assert_eq!((outcome.of("used"), outcome.of("make=0,0")), ("308.000", "0"));
        assert_eq!(outcome.of("launch=0"), "2");
    }
}

#[test]
fn what_a_graph_does_not_free_stays_charged_until_it_is_freed_and_trimmed() {
    for free in ["free=0", "free-async=0"] {
        let words = format!(
            "graph=0 take=0,0,100 make=0,0 launch=0 end=0 graph-end=0 trim used {free} used trim used"
        );
        assert_eq!(World::new().used(&words), [100.0, 100.0, 0.0], "{free}");
    }
}

#[test]
fn graphs_that_follow_each_other_share_what_is_reserved() {
    let words = "graph=0 take=0,0,100 give=0,0 graph=1 take=1,1,60 give=1,1 make=0,0 make=1,1 \
                 launch=0 used launch=1 used trim used";
    assert_eq!(World::new().used(words), [100.0, 100.0, 0.0]);
    let apart = "graph=0 take=0,0,100 graph=1 take=1,1,60 make=0,0 make=1,1 launch=0 launch=1 used";
    assert_eq!(World::new().used(apart), [160.0]);
}

#[test]
fn a_graph_in_a_graph_is_charged_with_it() {
    let words =
        "graph=0 take=0,0,64 give=0,0 graph=1 child=1,0 graph=2 child=2,1 make=0,2 launch=0 used";
    assert_eq!(World::new().used(words), [64.0]);
    let much = format!("graph=0 take=0,0,{} graph=1 child=1,0 make=0,1 launch=0 used", ROOM + 1);
    let outcome = World::new().run(&much);
    assert_eq!((outcome.of("launch=0"), outcome.of("used")), ("2", "308.000"));
}

#[test]
fn events_in_a_graph_take_nothing_and_hide_nothing() {
    let words =
        "graph=0 record=0 take=0,0,64 give=0,0 record=0 make=0,0 used launch=0 sync used trim used";
    let outcome = World::new().run(words);
    assert_eq!((outcome.of("record=0"), outcome.of("launch=0")), ("0", "0"));
    assert_eq!(World::new().used(words), [0.0, 64.0, 0.0]);
}

#[test]
fn a_graph_of_many_nodes_is_looked_through() {
    let words = "graph=0 empties=0,5000 take=0,0,64 empties=0,5000 make=0,0 launch=0 used";
    assert_eq!(World::new().used(words), [64.0]);
}

#[test]
fn what_a_captured_stream_is_asked_for_is_charged_at_the_launch() {
    let words = "capture=0,0,40 used make=0,0 launch=0 used free-async=0 trim used";
    assert_eq!(World::new().used(words), [0.0, 40.0, 0.0]);
    let much = format!("capture=0,0,{} make=0,0 launch=0 used", ROOM + 1);
    let outcome = World::new().run(&much);
    assert_eq!((outcome.of("make=0,0"), outcome.of("launch=0")), ("0", "2"));
    assert_eq!(outcome.of("used"), "308.000");
}

#[test]
fn a_launch_above_the_share_is_out_of_memory_and_the_program_goes_on() {
    let words = format!("graph=0 take=0,0,{} make=0,0 launch=0 used reserved launch=0", ROOM + 1);
    let outcome = World::new().run(&format!("{words} end=0 graph=1 take=1,1,2 make=1,1 launch=1"));
    assert_eq!((outcome.of("launch=0"), outcome.of("launch=1")), ("2", "0"));
    assert_eq!((outcome.of("used"), outcome.of("reserved")), ("308.000", "0"));
}

#[test]
fn a_graph_fits_into_the_share_to_the_last_page() {
    let most = ROOM / 2 * 2;
    let words =
        format!("graph=0 take=0,0,{most} give=0,0 make=0,0 launch=0 used launch=0 launch=0 used");
    assert_eq!(World::new().used(&words), [most as f64; 2]);
    let beside = format!("alloc=1,{} graph=0 take=0,0,6 give=0,0 make=0,0 launch=0", ROOM - 7);
    let outcome =
        World::new().run(&format!("{beside} used launch=0 graph=1 take=1,2,8 make=1,1 launch=1"));
    assert_eq!((outcome.of("launch=0"), outcome.of("launch=1")), ("0", "2"));
}

#[test]
fn nothing_that_graphs_reserve_passes_the_limit() {
    let world = World::new();
    let words =
        format!("alloc=1,{} graph=0 take=0,0,2 graph=1 take=1,2,4 make=0,0 make=1,1", ROOM - 5);
    let [held, taken] = world.waiting(&format!("{words} launch=0 launch=1"));
    assert!(held == taken && taken <= Mib(ROOM).bytes(), "{held} {taken}");
}

#[test]
fn what_graphs_keep_idle_makes_room() {
    let most = ROOM / 2 * 2;
    let words = format!("{GRAPH} make=0,0 launch=0 alloc=1,{most} used free=1 launch=0 used");
    assert_eq!(World::new().used(&words), [most as f64, 100.0]);
    let first = format!("graph=0 take=0,0,{} give=0,0 make=0,0 launch=0", most - 100);
    let kept = format!("{first} graph=1 take=1,1,200 make=1,1 launch=1 used");
    assert_eq!(World::new().used(&kept), [(most - 100) as f64], "the second reuses the first's");
    let apart =
        format!("graph=0 take=0,0,{} make=0,0 launch=0 graph=1 take=1,1,200 make=1,1", most - 100);
    assert_eq!(World::new().run(&format!("{apart} launch=1")).of("launch=1"), "2");
}

#[test]
fn a_launch_into_a_captured_stream_takes_nothing() {
    let words = format!("graph=0 take=0,0,{} make=0,0 captured-launch=0 used", ROOM + 1);
    let outcome = World::new().run(&words);
    assert_eq!(outcome.of("captured-launch=0"), "801", "the simulated driver's own refusal");
    assert_eq!(outcome.of("used"), "308.000");
}

#[test]
fn an_update_leaves_what_a_graph_needs_known() {
    let words = format!("{GRAPH} make=0,0 update=0,0 launch=0 update-v2=0,0 launch=0 used");
    assert_eq!(World::new().used(&words), [100.0]);
}

#[test]
fn a_graph_that_frees_by_itself_is_launched_again() {
    let words = "graph=0 take=0,0,100 make=0,0,1 launch=0 launch=0 launch=0 used free=0 trim used";
    assert_eq!(World::new().used(words), [100.0, 0.0]);
}

#[test]
fn a_graph_is_charged_to_the_device_of_its_nodes() {
    let words = "graph=0 take=0,0,40,1 make=0,0 launch=0 used reserved=1";
    let refused = World::new().run(words);
    assert_eq!((refused.of("launch=0"), refused.of("reserved=1")), ("2", "0"));
    let both = "graph=0 take=0,0,40,1 take=0,1,20 make=0,0 start=1 used start=0 launch=0 used \
                start=1 used graph=1 take=1,2,400,1 make=1,1 launch=1";
    let world = World::new().and_of_the_second(Mib(700));
    let outcome = world.run(both);
    assert_eq!((outcome.of("launch=0"), outcome.of("launch=1")), ("0", "2"));
    let used = [308.0, 328.0, 348.0].map(|mib: f64| format!("used {mib:.3}"));
    let lines: Vec<_> = outcome.lines.iter().filter(|line| line.starts_with("used")).collect();
    assert_eq!(lines, used.iter().collect::<Vec<_>>());
}

#[test]
fn the_last_context_takes_the_memory_of_graphs_with_it() {
    let words = "graph=0 take=0,0,100 make=0,0 launch=0 used stop start used";
    assert_eq!(World::new().used(words), [100.0, 0.0]);
}

/// What the client says over the driver that takes 64 MiB more than a graph asks for.
fn greedy(words: &str) -> Outcome {
    let outcome = half().env("STANDIN_TORN", "1").run(client(), &format!("start {words}"));
    outcome.assert_lived();
    outcome
}

#[test]
fn a_driver_that_takes_more_than_a_graph_asks_for_is_charged_what_it_takes() {
    let outcome = greedy("graph=0 take=0,0,100 make=0,0 launch=0 used launch=0 living trim used");
    assert_eq!((outcome.of("launch=0"), outcome.of("living")), ("0", "164"));
    let used = outcome.lines.iter().filter(|line| line.starts_with("used"));
    assert_eq!(used.collect::<Vec<_>>(), ["used 419.000", "used 255.000"]);
}

#[test]
fn what_a_driver_takes_past_the_limit_is_given_back_before_the_refusal_is_told() {
    let most = stage::ROOM - 50;
    let words = format!("graph=0 take=0,0,{most} make=0,0 launch=0 upload=0 used living");
    let outcome = greedy(&words);
    assert_eq!((outcome.of("launch=0"), outcome.of("upload=0")), ("2", "2"));
    assert_eq!((outcome.of("used"), outcome.of("living")), ("255.000", "0"));
}

#[test]
fn what_another_thread_trims_and_takes_before_a_launch_lets_nothing_pass_the_limit() {
    let all = format!("start graph=0 take=0,0,{} make=0,0", stage::ROOM);
    // What the first launch takes is new, what the second takes lies idle.
    for (which, launches) in [("1", "launch=0"), ("2", "launch=0 launch=0")] {
        let container = half().env("STANDIN_BESIDE", which);
        let outcome = container.run(client(), &format!("{all} {launches} living"));
        outcome.assert_lived();
        let living = (outcome.of("launch=0"), outcome.of("living"));
        assert_eq!(living, ("0", &*stage::ROOM.to_string()), "{outcome:?}");
    }
}

#[test]
fn what_the_driver_refuses_to_launch_is_given_back() {
    let words = "start graph=0 take=0,0,100 make=0,0 launch=0 upload=0 used";
    let outcome = half().env("STANDIN_REFUSES", "1").run(client(), words);
    assert_eq!((outcome.of("launch=0"), outcome.of("upload=0")), ("2", "2"));
    assert_eq!(outcome.of("used"), "255.000");
}

#[test]
fn threads_that_launch_at_once_leave_charged_what_is_reserved() {
    let world = World::new();
    let words = "threads=4";
    let [held, taken] = world.waiting(words);
    assert_eq!(held, taken);
    assert_eq!(world.used("threads=4 trim used"), [0.0]);
}

#[test]
fn a_killed_process_gives_the_memory_of_its_graphs_back() {
    let world = World::new();
    let words = format!("{GRAPH} make=0,0 launch=0");
    assert_eq!(world.waiting(&words), [Mib(100).bytes(); 2]);
    assert_eq!(world.used("used"), [0.0]);
}
