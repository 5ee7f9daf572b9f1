//! `cargo xtask sbom`: what the image's programs are made of, as CycloneDX 1.6, from cargo's own metadata
//! and the lock file. The same sources give the same bytes: no time and no serial number stand in it.
//!
//! Cargo resolves features for the workspace as a whole, so a crate can stand here that is compiled for a
//! test alone where a shipped package names it as optional; none that is shipped is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::sh;

/// What the command line says.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where it is written
    #[arg(long, value_name = "FILE", default_value = "target/dist/aliquot.cdx.json")]
    into: PathBuf,
}

/// The packages that the image is made of.
const SHIPPED: [&str; 6] = [
    "aliquot-admission",
    "aliquot-cli",
    "aliquot-hook",
    "aliquot-node",
    "aliquot-scheduler",
    "aliquot-shim",
];

/// Writes it.
pub(crate) fn run(args: Args) -> Result<()> {
    let path = sh::root().join(&args.into);
    fs::create_dir_all(path.parent().context("a file has a folder")?)?;
    fs::write(&path, text()?).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}", path.display());
    Ok(())
}

/// The whole text.
pub(crate) fn text() -> Result<String> {
    let mut ask = sh::cargo();
    ask.args(["metadata", "--locked", "--format-version", "1"]);
    ask.args(["--filter-platform", "x86_64-unknown-linux-gnu"]);
    let metadata = serde_json::from_str(&sh::read(&mut ask)?).context("cargo's metadata")?;
    let lock = fs::read_to_string(sh::root().join("Cargo.lock"))?;
    let lock: Lock = toml::from_str(&lock).context("Cargo.lock")?;
    Ok(serde_json::to_string_pretty(&bill(&metadata, &lock)?)? + "\n")
}

/// As far as it is read.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    /// The registry; none for our own.
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    /// None for what is linked or expanded into the program.
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

impl Package {
    /// Its name in the bill: the package URL of one from the registry.
    fn reference(&self) -> String {
        match &self.source {
            Some(_) => format!("pkg:cargo/{}@{}", self.name, self.version),
            None => format!("aliquot/{}@{}", self.name, self.version),
        }
    }

    fn component(&self, checksum: Option<&String>) -> Value {
        let reference = self.reference();
        let mut component = json!({
            "type": "library",
            "bom-ref": reference,
            "name": self.name,
            "version": self.version,
            "scope": "required",
        });
        if let Some(licence) = &self.license {
            // Old crates write `MIT/Apache-2.0`.
            component["licenses"] = json!([{ "expression": licence.replace('/', " OR ") }]);
        }
        if self.source.is_some() {
            component["purl"] = reference.into();
        }
        if let Some(checksum) = checksum {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
        }
        component
    }
}

fn bill(metadata: &Metadata, lock: &Lock) -> Result<Value> {
    let packages: BTreeMap<&str, &Package> =
        metadata.packages.iter().map(|package| (package.id.as_str(), package)).collect();
    let shipped: Vec<&Package> = metadata
        .packages
        .iter()
        .filter(|package| package.source.is_none() && SHIPPED.contains(&package.name.as_str()))
        .collect();
    ensure!(shipped.len() == SHIPPED.len(), "one of {SHIPPED:?} is no package of the workspace");
    let edges = edges(metadata);
    let ids = reached(&edges, shipped.iter().map(|package| package.id.as_str()));
    let checksum = |package: &Package| {
        let mut all = lock.package.iter();
        all.find(|one| one.name == package.name && one.version == package.version)
            .and_then(|one| one.checksum.as_ref())
    };
    let mut found: Vec<&Package> = ids.iter().map(|id| packages[id]).collect();
    found.sort_by_key(|package| package.reference());
    let components: Vec<_> = found.iter().map(|one| one.component(checksum(one))).collect();
    let references = |ids: &BTreeSet<&str>| {
        ids.iter().map(|id| packages[id].reference()).collect::<BTreeSet<_>>()
    };
    let all_of = |one: &&Package| {
        let on = edges.get(one.id.as_str()).map(&references).unwrap_or_default();
        json!({ "ref": one.reference(), "dependsOn": on })
    };
    let top: BTreeSet<_> = shipped.iter().map(|package| package.reference()).collect();
    let own = json!({ "ref": "aliquot", "dependsOn": top });
    let dependencies: Vec<_> = std::iter::once(own).chain(found.iter().map(all_of)).collect();
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": {
            "type": "application",
            "bom-ref": "aliquot",
            "name": "aliquot",
            "version": env!("CARGO_PKG_VERSION"),
            "licenses": [{ "expression": "Apache-2.0" }],
        }},
        "components": components,
        "dependencies": dependencies,
    }))
}

/// What is linked or expanded into each package, by id.
fn edges(metadata: &Metadata) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut edges = BTreeMap::new();
    for node in &metadata.resolve.nodes {
        let used =
            node.deps.iter().filter(|one| one.dep_kinds.iter().any(|kind| kind.kind.is_none()));
        edges.insert(node.id.as_str(), used.map(|one| one.pkg.as_str()).collect());
    }
    edges
}

fn reached<'a>(
    edges: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    from: impl Iterator<Item = &'a str>,
) -> BTreeSet<&'a str> {
    let (mut open, mut seen) = (from.collect::<Vec<_>>(), BTreeSet::new());
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            open.extend(edges.get(id).into_iter().flatten());
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Value {
        serde_json::from_str(&text().unwrap()).unwrap()
    }

    fn names(bill: &Value) -> BTreeSet<String> {
        let components = bill["components"].as_array().unwrap();
        components.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_is_shipped_stands_in_it_and_what_only_tests_use_does_not() {
        let names = names(&whole());
        for name in SHIPPED.iter().chain(&["rustls", "tonic", "axum", "nix", "ledger", "contract"])
        {
            assert!(names.contains(*name), "{name}");
        }
        for name in ["proptest", "loom", "xtask", "aliquot-node-tests", "cel"] {
            assert!(!names.contains(name), "{name}");
        }
    }

    #[test]
    fn everything_has_a_licence_and_what_is_not_ours_its_hash_as_locked() {
        let lock = fs::read_to_string(sh::root().join("Cargo.lock")).unwrap();
        for one in whole()["components"].as_array().unwrap() {
            assert!(one["licenses"][0]["expression"].is_string(), "{one}");
            let is_ours = one.get("purl").is_none();
            let hash = one["hashes"][0]["content"].as_str().unwrap_or_default();
            assert_eq!(is_ours, hash.is_empty(), "{one}");
            assert!(lock.contains(hash), "{one}");
        }
    }

    #[test]
    fn every_reference_leads_to_a_component_and_all_are_reached() {
        let bill = whole();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let components = bill["components"].as_array().unwrap();
        let known: BTreeSet<_> = components.iter().map(|one| text(&one["bom-ref"])).collect();
        assert_eq!(known.len(), components.len(), "a reference stands twice");
        let mut used = BTreeSet::new();
        for one in bill["dependencies"].as_array().unwrap() {
            used.extend(one["dependsOn"].as_array().unwrap().iter().map(text));
        }
        assert_eq!(used, known);
        assert_eq!(super::text().unwrap(), super::text().unwrap());
    }
}
