//! Every function that the shim stands before, called with nothing but zeros: the driver's answer is the
//! program's. The names are those of the built file, so that no new hook is left out.

use object::{Object, ObjectSymbol};

use crate::container::{compile, shim};
use crate::stage::Stage;

/// The driver's names that the shim exports.
fn hooked() -> Vec<String> {
    let bytes = std::fs::read(shim()).expect("the shim can be read");
    let file = object::File::parse(&*bytes).expect("it is an ELF file");
    let names = file.dynamic_symbols().filter(|symbol| symbol.is_definition());
    let names = names.filter_map(|symbol| symbol.name().ok().map(str::to_owned));
    names.filter(|name| name.starts_with("cu") || name.starts_with("nvml")).collect()
}

#[test]
fn zeros_in_every_hooked_function_are_answered_by_the_driver() {
    let (stage, folder) = (Stage::new(), tempfile::tempdir().expect("a folder can be made"));
    let program = folder.path().join("nulls");
    compile("../generator/nulls.c", &program, &["-w", "-ldl"]);
    let names = hooked();
    assert!(names.len() > 60, "too few to be all: {names:?}");
    let run = |preload: Option<&str>| {
        let mut command = stage.command(&program, &names.join(" "));
        command.envs(preload.map(|preload| ("LD_PRELOAD", preload)));
        let output = command.output().expect("the program starts");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let (alone, shimmed) = (run(Some("")), run(None));
    let differences: Vec<_> =
        alone.lines().zip(shimmed.lines()).filter(|(alone, shimmed)| alone != shimmed).collect();
    assert_eq!(differences, [], "alone and with the shim");
    assert!(shimmed.ends_with("end\n") && !shimmed.contains("ended with"), "{shimmed}");
}
