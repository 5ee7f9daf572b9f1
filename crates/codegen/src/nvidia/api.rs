//! One API as bindgen reads it, taken apart: types on one side, functions on the other.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use syn::visit_mut::{self, VisitMut};
use syn::{ForeignItem, Ident, Item, ItemForeignMod, ItemType, Signature, Type, UseTree};

use super::header;

/// The items of one API.
pub(super) struct Api {
    types: Vec<Item>,
    /// The exported functions, by name.
    functions: BTreeMap<String, Signature>,
    /// `PFN_<base>_v<version>…` of the typedef headers, by name.
    pointers: BTreeMap<String, Type>,
}

impl Api {
    /// Reads one of our wrapper headers; the functions are those whose names begin with `prefix`.
    pub(super) fn read(headers: &Path, wrapper: &str, prefix: &str) -> Result<Self> {
        let text = header::bind(headers, wrapper)?;
        let file = syn::parse_file(&text).context("bindgen wrote what is not Rust")?;
        let mut api =
            Self { types: Vec::new(), functions: BTreeMap::new(), pointers: BTreeMap::new() };
        let mut names = PublicNames::of(&file.items);
        for mut item in file.items {
            names.visit_item_mut(&mut item);
            api.take(item, prefix);
        }
        Ok(api)
    }

    /// Adds types that bindgen could not read.
    pub(super) fn add(&mut self, items: Vec<Item>) {
        self.types.extend(items);
    }

    fn take(&mut self, item: Item, prefix: &str) {
        match item {
            Item::ForeignMod(block) => self.take_functions(block, prefix),
            Item::Type(ItemType { ident, ty, .. }) if ident.to_string().starts_with("PFN_") => {
                self.pointers.insert(ident.to_string(), *ty);
            }
            // What PublicNames turned into `use self::CUresult as CUresult`.
            Item::Use(item) if rename(&item.tree).is_some_and(|(from, to)| from == to) => {}
            other => self.types.push(other),
        }
    }

    fn take_functions(&mut self, block: ItemForeignMod, prefix: &str) {
        for item in block.items {
            if let ForeignItem::Fn(function) = item {
                let name = function.sig.ident.to_string();
                if name.starts_with(prefix) {
                    self.functions.insert(name, function.sig);
                }
            }
        }
    }

    /// Every function's name.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(String::as_str)
    }

    /// Every function pointer type of the typedef headers, by name.
    pub(super) fn pointers(&self) -> impl Iterator<Item = &str> {
        self.pointers.keys().map(String::as_str)
    }

    /// The types as source text.
    pub(super) fn types(&self) -> String {
        print(self.types.clone())
    }

    /// A type per function, of the function's own name, as source text.
    pub(super) fn signatures(&self) -> String {
        print(self.functions.values().map(alias).collect())
    }
}

/// Gives an enumeration the name that the API's users know (`CUresult`) in place of its tag
/// (`cudaError_enum`), so that it is also what Debug prints.
struct PublicNames(BTreeMap<Ident, Ident>);

impl PublicNames {
    fn of(items: &[Item]) -> Self {
        let mut names = BTreeMap::new();
        for item in items {
            if let Item::Use(item) = item
                && let Some((tag, name)) = rename(&item.tree)
            {
                names.entry(tag.clone()).or_insert_with(|| name.clone());
            }
        }
        Self(names)
    }
}

impl VisitMut for PublicNames {
    fn visit_ident_mut(&mut self, ident: &mut Ident) {
        if let Some(name) = self.0.get(ident) {
            *ident = name.clone();
        }
        visit_mut::visit_ident_mut(self, ident);
    }
}

/// `self::from as to`.
fn rename(tree: &UseTree) -> Option<(&Ident, &Ident)> {
    let UseTree::Path(path) = tree else { return None };
    let UseTree::Rename(rename) = &*path.tree else { return None };
    Some((&rename.ident, &rename.rename))
}

/// `fn f(a: A) -> B` as `type f = unsafe extern "C-unwind" fn(a: A) -> B`.
fn alias(signature: &Signature) -> Item {
    let Signature { ident, inputs, output, .. } = signature;
    syn::parse_quote! { pub type #ident = unsafe extern "C-unwind" fn(#inputs) #output; }
}

fn print(items: Vec<Item>) -> String {
    prettyplease::unparse(&syn::File { shebang: None, attrs: Vec::new(), items })
}
