//! `componentize MODULE COMPONENT`: turns a core module that cargo built for wasm32-unknown-unknown into a component.
//!
//! wit-bindgen leaves the types of the guest's world in a section of the module; that and the module's code are all
//! that a component needs.

use std::path::PathBuf;
use std::{env, fs};

use anyhow::{Context as _, Result, bail};
use wit_component::ComponentEncoder;

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [module, component] = arguments.as_slice() else {
        bail!("usage: componentize MODULE COMPONENT");
    };
    let bytes = fs::read(module).with_context(|| format!("read {}", module.display()))?;
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(|encoder| encoder.encode())
        .with_context(|| format!("make a component of {}", module.display()))?;
    fs::write(component, encoded).with_context(|| format!("write {}", component.display()))
}
