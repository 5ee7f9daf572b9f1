//! What fits on which GPU, pod by pod.

use super::*;
use proptest::prelude::*;
use published::{Gpu, Mode};

fn node(taken: &[u32]) -> Node {
    let gpu = |(index, taken): (usize, &u32)| Gpu {
        uuid: format!("GPU-{index}"),
        resource: None,
        mode: Mode::Auto,
        taken_percent: *taken,
        is_whole: false,
        is_usable: true,
    };
    let gpus = taken.iter().enumerate().map(gpu).collect();
    Node { gpus, least_percent: 1, ..Node::default() }
}

fn share(turn: Turn, percent: u64) -> (Turn, Need) {
    (turn, Need::Share { pool: None, share: Percent::new(percent).unwrap() })
}

fn left(taken: &[u32], needs: Vec<(Turn, Need)>) -> Result<Vec<u8>, Misfit> {
    let mut holes = Holes::of(&node(taken), &mut Pools::default());
    place(&Ask::of(needs), &mut holes, Wish::default())?;
    Ok(holes.free(&None).map(Free::get).collect())
}

use Turn::{Init, Lasting};

#[test]
fn a_share_never_spans_gpus_however_much_is_free_in_sum() {
    let said = left(&[50, 50], vec![share(Lasting, 60)]).unwrap_err().to_string();
    assert_eq!(said, "no GPU has 60% left, at most 50%");
}

#[test]
fn containers_of_one_pod_may_lie_on_different_gpus() {
    assert_eq!(left(&[50, 50], vec![share(Lasting, 40), share(Lasting, 40)]), Ok(vec![10, 10]));
}

#[test]
fn what_an_init_container_had_is_taken_again_by_those_after_it() {
    let needs = vec![share(Init, 50), share(Lasting, 30), share(Lasting, 20)];
    assert_eq!(left(&[40, 100], needs), Ok(vec![10, 0]));
}

#[test]
fn what_is_taken_again_binds_the_rest_to_its_gpu() {
    let needs = vec![share(Init, 20), share(Lasting, 60)];
    let said = left(&[70, 0], needs.clone()).unwrap_err();
    let share = Percent::new(60).unwrap();
    assert_eq!(said, Misfit::Again { share, again: 20, left: 10 });
    assert_eq!(left(&[100, 0], needs), Ok(vec![0, 40]));
}

#[test]
fn a_gpu_of_which_a_share_is_taken_is_not_had_as_a_whole() {
    let needs = vec![(Lasting, Need::Whole { pool: None, count: 2 })];
    assert_eq!(left(&[0, 1, 0], needs.clone()), Ok(vec![0, 99, 0]));
    let said = left(&[0, 1, 2], needs).unwrap_err().to_string();
    assert_eq!(said, "2 whole GPUs were asked for, and 1 are free");
}

#[test]
fn a_pool_gives_to_those_who_ask_for_it_and_to_nobody_else() {
    let mut node = node(&[10, 40, 0]);
    node.gpus[1].resource = Some("gpu-chat".to_owned());
    node.gpus[2].resource = Some("gpu-training".to_owned());
    let mut pools = Pools::default();
    let holes = Holes::of(&node, &mut pools);
    let chat = Some(pools.learn("gpu-chat"));
    let of_chat = |percent| {
        let share = Percent::new(percent).unwrap();
        Ask::of(vec![(Lasting, Need::Share { pool: chat.clone(), share })])
    };
    assert_eq!(place(&of_chat(60), &mut holes.clone(), Wish::default()), Ok(vec![1]));
    let said = place(&of_chat(70), &mut holes.clone(), Wish::default()).unwrap_err();
    assert_eq!(said.to_string(), "no GPU of gpu-chat has 70% left, at most 60%");
    let two = |pool| Ask::of(vec![(Lasting, Need::Whole { pool, count: 2 })]);
    let training = Some(pools.learn("gpu-training"));
    let said = place(&two(training), &mut holes.clone(), Wish::default()).unwrap_err();
    assert_eq!(said.to_string(), "2 whole GPUs of gpu-training were asked for, and 1 are free");
}

fn slices(turn: Turn, profile: &str, count: u32) -> (Turn, Need) {
    (turn, Need::Slices { profile: profile.to_owned(), count })
}

#[test]
fn slices_are_taken_by_profile_until_none_is_left() {
    let mig =
        |count| BTreeMap::from([("mig-1g.10gb".to_owned(), count), ("mig-3g.40gb".to_owned(), 1)]);
    let mut holes = Holes::of(&Node { slices: mig(3), ..node(&[100]) }, &mut Pools::default());
    let mut take = |needs: Vec<(Turn, Need)>| place(&Ask::of(needs), &mut holes, Wish::default());
    // An init container's slices are not counted again for those after it: a node is fuller than it is, never emptier.
    assert_eq!(
        take(vec![slices(Init, "mig-1g.10gb", 1), slices(Lasting, "mig-1g.10gb", 1)]),
        Ok(vec![])
    );
    assert_eq!(take(vec![slices(Lasting, "mig-3g.40gb", 1)]), Ok(vec![]));
    let said = take(vec![slices(Lasting, "mig-1g.10gb", 2)]).unwrap_err().to_string();
    assert_eq!(said, "2 slices mig-1g.10gb were asked for, and 1 are free");
    let said = take(vec![slices(Lasting, "mig-7g.80gb", 1)]).unwrap_err().to_string();
    assert_eq!(said, "1 slices mig-7g.80gb were asked for, and 0 are free");
    assert_eq!(take(vec![slices(Lasting, "mig-1g.10gb", 1)]), Ok(vec![]));
    assert!(take(vec![slices(Lasting, "mig-1g.10gb", 1)]).is_err());
}

#[test]
fn a_slice_that_came_back_is_room_that_was_not_there() {
    let holes = |count| {
        let slices = BTreeMap::from([("mig-1g.10gb".to_owned(), count)]);
        Holes::of(&Node { slices, ..node(&[100]) }, &mut Pools::default())
    };
    assert!(holes(1).exceed(&holes(0)));
    assert!(!holes(0).exceed(&holes(1)) && !holes(1).exceed(&holes(1)));
    assert!(
        holes(1).exceed(&Holes::of(&node(&[100]), &mut Pools::default())),
        "the first of its profile"
    );
}

#[test]
fn a_share_goes_where_it_was_planned_if_that_still_has_room() {
    let holes = Holes::of(&node(&[50, 0]), &mut Pools::default());
    let ask = Ask::of(vec![share(Lasting, 50)]);
    let at = |plan: &[Option<usize>]| {
        place(&ask, &mut holes.clone(), Wish { policy: Policy::Pack, plan })
    };
    assert_eq!(at(&[]), Ok(vec![0]));
    assert_eq!(at(&[Some(1)]), Ok(vec![1]));
    assert_eq!(at(&[Some(7)]), Ok(vec![0]), "a GPU that is no more");
}

#[test]
fn a_sick_gpu_gives_nothing() {
    let mut node = node(&[0]);
    node.gpus[0].is_usable = false;
    let mut holes = Holes::of(&node, &mut Pools::default());
    for need in [share(Lasting, 1), (Lasting, Need::Whole { pool: None, count: 1 })] {
        assert!(place(&Ask::of(vec![need]), &mut holes, Wish::default()).is_err());
    }
}

proptest! {
    #[test]
    fn a_single_share_has_room_where_it_would_be_placed(
        taken in prop::collection::vec(0u32..=120, 0..9), percent in 1u64..=100, least in 1u8..=20, init: bool
    ) {
        let node = Node { least_percent: least, ..node(&taken) };
        let holes = Holes::of(&node, &mut Pools::default());
        let ask = Ask::of(vec![share(if init { Init } else { Lasting }, percent)]);
        let placed = place(&ask, &mut holes.clone(), Wish::default()).map(drop);
        let (pool, share) = ask.only_share().unwrap();
        prop_assert_eq!(holes.has_room(pool, share), placed);
    }

    #[test]
    fn what_was_placed_was_there(
        taken in prop::collection::vec(0u32..=100, 1..9),
        shares in prop::collection::vec((any::<bool>(), 1u64..=100), 0..6),
    ) {
        let needs: Vec<_> = shares.iter()
            .map(|&(init, percent)| share(if init { Init } else { Lasting }, percent)).collect();
        let before: u32 = taken.iter().map(|taken| 100 - taken).sum();
        let lasting: u64 = shares.iter().filter(|(init, _)| !init).map(|(_, p)| *p).sum();
        if let Ok(after) = left(&taken, needs) {
            let after: u32 = after.into_iter().map(u32::from).sum();
            prop_assert!(u64::from(before - after) >= lasting.min(u64::from(before)));
            prop_assert!(lasting <= u64::from(before));
        }
    }
}
