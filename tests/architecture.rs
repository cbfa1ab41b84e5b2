//! The import law of ARCHITECTURE.md, read from the sources.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails loudly")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::visit::Visit;

const LAYERS: [&str; 5] = ["conditional_cache", "error_mapping", "lazy_images", "token_auth", "ws_upgrade"];

/// A module by its path from the crate's root: `["token_auth", "service"]`.
type Module = Vec<String>;

#[test]
fn a_layer_imports_core_and_never_another_layer() {
    for (module, imports) in house().imports {
        let Some(layer) = LAYERS.iter().find(|layer| module[0] == **layer) else { continue };
        for target in imports {
            let neighbour = target.first().is_none_or(|room| room == "core" || room == layer);
            assert!(neighbour, "{} imports {}", module.join("::"), target.join("::"));
        }
    }
}

#[test]
fn core_imports_nothing_of_ours() {
    for (module, imports) in house().imports.into_iter().filter(|(module, _)| module[0] == "core") {
        for target in imports {
            assert!(target.first().is_some_and(|room| room == "core"), "{} imports {}", module.join("::"), target.join("::"));
        }
    }
}

#[test]
fn nothing_imports_the_axum_glue() {
    for (module, imports) in house().imports.into_iter().filter(|(module, _)| module[0] != "axum") {
        for target in imports {
            assert!(target.first().is_none_or(|room| room != "axum"), "{} imports {}", module.join("::"), target.join("::"));
        }
    }
}

#[test]
fn arrows_inside_a_layer_never_run_back_up() {
    let house = house();
    for (module, imports) in &house.imports {
        for target in imports.iter().filter(|target| target.first() == module.first() && *target != module) {
            let (from, to) = (floor(module), floor(target));
            assert!(from <= to, "{} (floor {from}) imports {} (floor {to})", module.join("::"), target.join("::"));
        }
    }
}

#[test]
fn no_room_imports_itself_around_a_corner() {
    // The rooms that import nothing unsettled are settled, until only circles are left.
    let mut open = house().imports;
    for (room, imports) in &mut open {
        imports.remove(room);
    }
    loop {
        let settled: Vec<Module> = open.iter().filter(|(_, imports)| imports.is_empty()).map(|(room, _)| room.clone()).collect();
        if settled.is_empty() {
            break;
        }
        for imports in open.values_mut() {
            imports.retain(|target| !settled.contains(target));
        }
        open.retain(|room, _| !settled.contains(room));
    }
    let circles = open.iter().map(|(room, imports)| format!("{room:?} imports {imports:?}")).collect::<Vec<_>>();
    assert!(circles.is_empty(), "circles, and what hangs on them:\n{}", circles.join("\n"));
}

#[test]
fn the_front_page_holds_no_code() {
    let file = syn::parse_file(&fs::read_to_string(source().join("lib.rs")).unwrap()).unwrap();
    for item in file.items {
        let is_page = match &item {
            syn::Item::Mod(module) => module.content.is_none(),
            syn::Item::Use(_) => true,
            _ => false,
        };
        assert!(is_page, "lib.rs holds more than modules and re-exports");
    }
}

#[test]
fn no_file_has_outgrown_its_room() {
    for path in house().files {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 400, "{} has {lines} lines and wants a wall", path.display());
    }
}

/// mod → layer → service → future → everything else.
fn floor(module: &[String]) -> usize {
    match module {
        [_layer] => 0,
        [_layer, room] => match room.as_str() {
            "layer" => 1,
            "service" => 2,
            "future" => 3,
            _ => 4,
        },
        _ => 4,
    }
}

struct House {
    files: Vec<PathBuf>,
    imports: BTreeMap<Module, BTreeSet<Module>>,
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn house() -> House {
    let mut files = Vec::new();
    collect(&source(), &mut files);
    let modules: BTreeSet<Module> = files.iter().map(|file| module_of(file)).collect();
    let mut imports = BTreeMap::new();
    for path in files.iter().filter(|path| !path.ends_with("lib.rs")) {
        let file =
            syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut reader = Reader { here: module_of(path), targets: BTreeSet::new() };
        reader.visit_file(&file);
        let rooms = reader.targets.iter().map(|target| room_of(target, &modules)).collect();
        imports.insert(module_of(path), rooms);
    }
    assert!(imports.len() > 20, "the sources were not found");
    House { files, imports }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn module_of(path: &Path) -> Module {
    let inside = path.strip_prefix(source()).unwrap().with_extension("");
    let mut module: Module = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    module.pop_if(|last| last == "mod" || last == "lib");
    module
}

/// The file that a path leads into: the longest known module before it. A bare `crate::Type` is one of core's, re-exported.
fn room_of(target: &[String], modules: &BTreeSet<Module>) -> Module {
    let room = (1..=target.len()).rev().map(|length| target[..length].to_vec()).find(|module| modules.contains(module));
    room.unwrap_or_else(|| vec!["core".into()])
}

/// Reads every path of a file that stays inside the crate; tests and fuzz entries stand outside the law.
struct Reader {
    here: Module,
    targets: BTreeSet<Module>,
}

impl Reader {
    fn add(&mut self, path: &[String]) {
        let mut base = match path.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("self" | "super") => self.here.clone(),
            _ => return,
        };
        let mut rest = path;
        while let Some(step @ ("crate" | "self" | "super")) = rest.first().map(String::as_str) {
            if step == "super" {
                base.pop();
            }
            rest = &rest[1..];
        }
        base.extend_from_slice(rest);
        self.targets.insert(base);
    }

    fn add_tree(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.add_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.add(&with(&name.ident)),
            syn::UseTree::Rename(rename) => self.add(&with(&rename.ident)),
            syn::UseTree::Glob(_) => self.add(prefix),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_tree(prefix, tree)),
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let outside = module.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test") || path.is_ident("fuzzing"))
        });
        if !outside && module.content.is_some() {
            self.here.push(module.ident.to_string());
            syn::visit::visit_item_mod(self, module);
            self.here.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if names.len() > 1 {
            self.add(&names);
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {
        // `pub(super)` is no import.
    }
}
