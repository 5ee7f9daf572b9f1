//! Every way to the driver leads to the hooks, and every look-up answers as the driver would.

use crate::container::{Container, built, compile, old_driver};

const SHIM: &str = "libaliquot.so";

#[test]
fn every_way_of_looking_up_leads_to_the_hooks() {
    let container = Container::half();
    for way in ["dlsym", "proc1", "proc2"] {
        let outcome = container.client(&format!("{way} init retain current info"));
        outcome.assert_lived();
        assert!(outcome.of("info").ends_with("total 17044602880"), "{way}: {outcome:?}");
    }
}

#[test]
fn a_program_linked_with_the_driver_is_hooked() {
    let outcome = Container::half().linked("link init retain current info alloc=17000000000");
    outcome.assert_lived();
    assert!(outcome.of("info").ends_with("total 17044602880"), "{outcome:?}");
    assert_eq!(outcome.of("alloc=17000000000"), "2");
}

#[test]
fn a_name_that_the_handle_lacks_stays_null() {
    let outcome = Container::half().client("dlsym look=libc:cuInit look=libc:cuMemAlloc_v2");
    assert_eq!(outcome.of("libc:cuInit"), "NULL");
    assert_eq!(outcome.of("libc:cuMemAlloc_v2"), "NULL");
}

#[test]
fn a_name_that_the_driver_lacks_stays_null() {
    let words = "dlsym look=cuda:cuMemAlloc_v9 look=cuda:cuda look=cuda:cu look=cuda:nvml";
    let outcome = Container::half().client(words);
    for name in ["cuMemAlloc_v9", "cuda", "cu", "nvml"] {
        assert_eq!(outcome.of(&format!("cuda:{name}")), "NULL");
    }
}

#[test]
fn without_the_driver_no_scope_has_its_names() {
    let words = "look=default:cuInit look=self:cuInit look=next:cuInit look=default:nvmlDeviceGetMemoryInfo";
    let outcome = Container::half().client(&format!("none {words}"));
    outcome.assert_lived();
    for name in ["default:cuInit", "self:cuInit", "next:cuInit", "default:nvmlDeviceGetMemoryInfo"]
    {
        assert_eq!(outcome.of(name), "NULL");
    }
}

#[test]
fn with_the_driver_every_scope_has_the_hooks() {
    let outcome =
        Container::half().linked("link look=default:cuInit look=self:cuInit look=next:cuInit");
    outcome.assert_lived();
    for name in ["default:cuInit", "self:cuInit", "next:cuInit"] {
        assert_eq!(outcome.of(name), SHIM);
    }
}

#[test]
fn what_begins_like_cuda_and_is_not_is_left_alone() {
    let words = "dlsym look=default:curl_easy_init look=default:nvram look=default:cuserid";
    let outcome = Container::half().client(words);
    assert_eq!(outcome.of("default:curl_easy_init"), "NULL");
    assert_eq!(outcome.of("default:nvram"), "NULL");
    assert_eq!(outcome.of("default:cuserid"), "libc.so.6");
}

#[test]
fn a_function_that_is_not_hooked_is_the_drivers_own_in_every_stream_variant() {
    let words = "dlsym look=cuda:cuStreamGetFlags look=cuda:cuStreamGetFlags_ptsz stream \
                 ask=cuStreamGetFlags@2000/0 ask=cuStreamGetFlags@2000/2";
    let outcome = Container::half().client(words);
    assert_eq!(outcome.of("cuda:cuStreamGetFlags_ptsz"), "libcuda.so.1");
    assert_eq!(outcome.of("stream"), "601");
    assert_eq!(
        outcome.of("cuStreamGetFlags@2000/0"),
        "0 libcuda.so.1 cuStreamGetFlags 0 v1 0 found"
    );
    assert_eq!(
        outcome.of("cuStreamGetFlags@2000/2"),
        "0 libcuda.so.1 cuStreamGetFlags_ptsz 0 v1 0 found"
    );
}

#[test]
fn cu_get_proc_address_answers_each_version_with_its_hook() {
    let words = "dlsym ask=cuMemAlloc@2000/0 ask=cuMemAlloc@3020/0 ask=cuMemAlloc@99990/2 \
                 ask=cuCtxCreate@11040/0 ask=cuGetProcAddress@11030/0 ask=cuGetProcAddress@12000/0";
    let outcome = Container::half().client(words);
    for (asked, hook) in [
        ("cuMemAlloc@2000/0", "cuMemAlloc"),
        ("cuMemAlloc@3020/0", "cuMemAlloc_v2"),
        ("cuMemAlloc@99990/2", "cuMemAlloc_v2"),
        ("cuCtxCreate@11040/0", "cuCtxCreate_v3"),
        ("cuGetProcAddress@11030/0", "cuGetProcAddress"),
        ("cuGetProcAddress@12000/0", "cuGetProcAddress_v2"),
    ] {
        assert_eq!(outcome.of(asked), format!("0 {SHIM} {hook} 0 v1 0 found"));
    }
}

#[test]
fn cu_get_proc_address_fails_as_the_driver_does() {
    let outcome = Container::half()
        .client("dlsym ask=cuNothing@12000/0 ask=cuInit@2000/64 ask=cuMemAlloc_v2@3020/0");
    assert_eq!(outcome.of("cuNothing@12000/0"), "0 NULL - 1 v1 500 untouched");
    assert_eq!(outcome.of("cuMemAlloc_v2@3020/0"), "0 NULL - 1 v1 500 untouched");
    assert_eq!(outcome.of("cuInit@2000/64"), "1 untouched - -1 v1 1 untouched");
}

#[test]
fn a_newer_version_of_a_hooked_function_is_not_found_and_said_once() {
    let container = Container::half().env("STANDIN_NEWER", "1");
    let outcome =
        container.client("dlsym ask=cuMemAlloc@3020/0 ask=cuMemAlloc@3020/2 ask=cuMemFree@3020/0");
    assert_eq!(outcome.of("cuMemAlloc@3020/0"), "0 NULL - 1 v1 500 untouched");
    assert_eq!(outcome.of("cuMemFree@3020/0"), format!("0 {SHIM} cuMemFree_v2 0 v1 0 found"));
    assert_eq!(outcome.stderr.matches("cuMemAlloc").count(), 1, "{outcome:?}");
}

#[test]
fn a_weak_reference_without_a_driver_answers_not_initialised() {
    let program = built().folder.path().join("weak");
    compile("weak.c", &program, &[]);
    let outcome = Container::half().run(&program, "");
    assert_eq!(outcome.lines, ["init 3 alloc 3 nvml 1", "end"], "{outcome:?}");
}

#[test]
fn a_static_program_runs_as_ever() {
    let program = built().folder.path().join("static");
    compile("weak.c", &program, &["-static"]);
    let outcome = Container::half().run(&program, "");
    assert_eq!(outcome.lines, ["absent", "end"], "{outcome:?}");
}

#[test]
fn a_driver_that_lacks_the_later_functions_is_hooked_all_the_same() {
    let container = Container::half().driver(&old_driver());
    let words = "look=cuda:cuInit look=cuda:cuMemAlloc_v2 look=cuda:cuCtxCreate_v4 \
                 look=cuda:cuGetProcAddress_v2 init retain current alloc/0=1048576 info";
    // The client says here if dlerror tells of a look-up that was not its own.
    assert_eq!(container.client("none look=cuda:cuInit").of("cuda:cuInit"), SHIM);
    for way in ["dlsym", "proc1"] {
        let outcome = container.client(&format!("{way} {words}"));
        outcome.assert_lived();
        assert_eq!(outcome.of("cuda:cuMemAlloc_v2"), SHIM);
        assert_eq!(outcome.of("cuda:cuCtxCreate_v4"), "NULL");
        assert_eq!(outcome.of("cuda:cuGetProcAddress_v2"), "NULL");
        assert!(outcome.of("info").ends_with("total 17044602880"), "{outcome:?}");
    }
}
