//! `aliquot translate`: manifests of other systems in, ours out. What a person should know goes to standard
//! error, so that the output can be applied as it is.

use std::fs;
use std::io::{Read, Write, stdin, stdout};
use std::process::ExitCode;

use aliquot_admission::translate::translate_yaml;
use aliquot_admission::{Rules, Translation};
use anyhow::{Context, Result, anyhow};
use contract::Domain;

use crate::args::TranslateArgs;

/// Translates one file.
///
/// # Errors
/// A file that cannot be read, and what cannot be translated: nothing is written then.
pub(crate) fn translate(args: &TranslateArgs) -> Result<ExitCode> {
    let domain =
        Domain::parse(&args.domain).map_err(|why| anyhow!("--domain {:?}: {why}", args.domain))?;
    let text = match args.file.as_os_str() == "-" {
        true => {
            let mut text = String::new();
            stdin().read_to_string(&mut text).map(|_| text)
        }
        false => fs::read_to_string(&args.file),
    };
    let text = text.with_context(|| format!("cannot read {}", args.file.display()))?;
    let how = Translation { card: args.card_memory, replica: args.replicas };
    let (out, notes) = translate_yaml(&text, how, &Rules::new(domain))?;
    stdout().write_all(out.as_bytes())?;
    for note in &notes {
        eprintln!("aliquot: {note}");
    }
    if notes.is_empty() {
        eprintln!(
            "aliquot: nothing there speaks HAMi's, KAI's or Run:ai's words; of NVIDIA's time-slicing --replicas tells"
        );
    }
    Ok(ExitCode::SUCCESS)
}
