//! What `aliquot-node` does when it is not the agent.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Subcommand;

use crate::config::{Config, parse, schema};
use crate::options::Options;

/// A task that ends at once.
#[derive(Subcommand, Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Say what is wrong in a configuration, or print what it comes to
    CheckConfig {
        /// The file
        file: PathBuf,
        /// For the node of this name
        #[arg(long, value_name = "NAME", default_value = "")]
        node_name: String,
        /// For a node with this label
        #[arg(long, value_name = "KEY=VALUE")]
        node_label: Vec<String>,
    },
    /// Print the JSON schema of the configuration
    ConfigSchema,
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// What went wrong, for a person.
    pub fn run(&self, options: &Options) -> Result<()> {
        match self {
            Self::CheckConfig { file, node_name, node_label } => {
                check_config(options, file, node_name, node_label)
            }
            Self::ConfigSchema => {
                print!("{}", schema());
                Ok(())
            }
        }
    }
}

fn check_config(
    options: &Options,
    file: &PathBuf,
    node_name: &str,
    node_label: &[String],
) -> Result<()> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the configuration {}", file.display()))?;
    let section = match parse(&text) {
        Ok(section) => section,
        Err(error) => {
            for problem in &error.problems {
                eprintln!("{}:{}: {}", file.display(), problem.line, problem.what);
            }
            bail!("{} things are wrong in {}", error.problems.len(), file.display());
        }
    };
    let mut who = options.node.who();
    who.name = node_name.to_owned();
    for label in node_label {
        let (key, value) = label.split_once('=').context("write labels as KEY=VALUE")?;
        who.labels.insert(key.to_owned(), value.to_owned());
    }
    print!("{}", Config::new(&section, &options.over.section(), &who).print());
    Ok(())
}
