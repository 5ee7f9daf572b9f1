//! Whether cuGetProcAddress and dlsym give the same addresses, for every name that the headers know,
//! and what the driver answers where there is nothing to find.

use anyhow::Result;
use driver::cuda::Driver;
use nvidia_sys::CUDA_NAMES;
use nvidia_sys::proc::{PROC, Proc};
use serde_json::{Value, json};

pub(crate) fn ask(driver: &Driver) -> Result<Value> {
    let version = driver.version()?;
    let missing: Vec<&str> = CUDA_NAMES.iter().copied().filter(|name| !has(driver, name)).collect();
    let rows = PROC.iter().filter(|row| row.cuda_version <= version);
    let (same, other): (Vec<_>, Vec<_>) =
        rows.map(|row| compare(driver, row)).partition(Option::is_none);
    Ok(json!({
        "names_in_headers": CUDA_NAMES.len(),
        "names_exported": CUDA_NAMES.len() - missing.len(),
        "names_missing": missing,
        "rows_same": same.len(),
        "rows_different": other.into_iter().flatten().collect::<Vec<_>>(),
        "nothing_found": nothing_found(driver, version),
    }))
}

fn has(driver: &Driver, name: &str) -> bool {
    driver.library().address(name).is_some()
}

/// Nothing where both ways lead to the same address, otherwise how they differ.
fn compare(driver: &Driver, row: &Proc) -> Option<Value> {
    let flags = if row.per_thread { 2 } else { 0 };
    let found = driver.proc_address(row.base, row.cuda_version, flags);
    let (address, status) = match &found {
        Ok(found) => (found.address, json!(found.status)),
        Err(error) => (None, json!(error.to_string())),
    };
    let exported = driver.library().address(row.symbol);
    let (is_found, is_exported) = (address.is_some(), exported.is_some());
    (address != exported).then(|| {
        json!({
            "base": row.base, "flags": flags, "cuda_version": row.cuda_version,
            "symbol": row.symbol, "found": is_found, "exported": is_exported, "status": status,
        })
    })
}

/// The cases in which programs depend on what a look-up that finds nothing answers.
fn nothing_found(driver: &Driver, version: u32) -> Value {
    let cases = [
        ("unknown name", "cuNoSuchFunction", version, 0),
        ("name with its suffix", "cuMemAlloc_v2", version, 0),
        ("version too old", "cuMemAllocAsync", 2000, 0),
        ("version too old for the per-thread stream", "cuLaunchKernel", 4000, 2),
        ("version above the driver's", "cuMemAlloc", version + 1000, 0),
        ("flags 1", "cuMemAlloc", version, 1),
        ("flags 3", "cuMemAlloc", version, 3),
        ("flags 4", "cuMemAlloc", version, 4),
    ];
    let answers = cases.map(|(case, base, version, flags)| {
        json!({
            "case": case, "base": base, "cuda_version": version, "flags": flags,
            "v2": v2(driver, base, version, flags), "v1": v1(driver, base, version, flags),
        })
    });
    Value::Array(answers.to_vec())
}

fn v2(driver: &Driver, base: &str, version: u32, flags: u64) -> Value {
    match driver.proc_address(base, version, flags) {
        Ok(found) => json!({"code": 0, "status": found.status, "found": found.address.is_some()}),
        Err(error) => json!({"code": error.code()}),
    }
}

fn v1(driver: &Driver, base: &str, version: u32, flags: u64) -> Value {
    match driver.proc_address_v1(base, version, flags) {
        Ok(address) => json!({"code": 0, "found": !address.is_null()}),
        Err(error) => json!({"code": error.code()}),
    }
}
