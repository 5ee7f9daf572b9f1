//! Sizes that programs built by others rely on, as they were observed on the wire between cudart,
//! nvidia-smi and a driver.

use nvidia_sys::{cuda, nvml};

#[test]
fn the_structs_of_cuda_have_the_observed_sizes() {
    let sizes = [
        ("CUDA_ARRAY_DESCRIPTOR", size_of::<cuda::CUDA_ARRAY_DESCRIPTOR>(), 24),
        ("CUDA_ARRAY3D_DESCRIPTOR", size_of::<cuda::CUDA_ARRAY3D_DESCRIPTOR>(), 40),
        ("CUDA_MEMCPY2D", size_of::<cuda::CUDA_MEMCPY2D>(), 128),
        ("CUDA_MEMCPY3D", size_of::<cuda::CUDA_MEMCPY3D>(), 200),
        ("CUmemAllocationProp", size_of::<cuda::CUmemAllocationProp>(), 32),
        ("CUmemPoolProps", size_of::<cuda::CUmemPoolProps>(), 88),
        ("CUmemAccessDesc", size_of::<cuda::CUmemAccessDesc>(), 12),
        ("CUlaunchConfig", size_of::<cuda::CUlaunchConfig>(), 56),
        ("CUlaunchAttribute", size_of::<cuda::CUlaunchAttribute>(), 72),
        ("CUdevprop", size_of::<cuda::CUdevprop>(), 56),
    ];
    for (name, size, observed) in sizes {
        assert_eq!(size, observed, "{name}");
    }
}

#[test]
fn the_structs_of_nvml_have_the_observed_sizes() {
    let sizes = [
        ("nvmlMemory_t", size_of::<nvml::nvmlMemory_t>(), 24),
        ("nvmlMemory_v2_t", size_of::<nvml::nvmlMemory_v2_t>(), 40),
        ("nvmlUtilization_t", size_of::<nvml::nvmlUtilization_t>(), 8),
        ("nvmlPciInfo_t", size_of::<nvml::nvmlPciInfo_t>(), 68),
        ("nvmlProcessInfo_v1_t", size_of::<nvml::nvmlProcessInfo_v1_t>(), 16),
        ("nvmlProcessInfo_v2_t", size_of::<nvml::nvmlProcessInfo_v2_t>(), 24),
        ("nvmlProcessUtilizationSample_t", size_of::<nvml::nvmlProcessUtilizationSample_t>(), 32),
        ("nvmlProcessDetail_v1_t", size_of::<nvml::nvmlProcessDetail_v1_t>(), 32),
        ("nvmlBAR1Memory_t", size_of::<nvml::nvmlBAR1Memory_t>(), 24),
        ("nvmlEventData_t", size_of::<nvml::nvmlEventData_t>(), 32),
        ("nvmlFieldValue_t", size_of::<nvml::nvmlFieldValue_t>(), 40),
    ];
    for (name, size, observed) in sizes {
        assert_eq!(size, observed, "{name}");
    }
}

#[test]
fn the_version_word_that_nvidia_smi_sends_is_the_one_of_the_header() {
    assert_eq!(nvml::nvmlMemory_v2, 0x0200_0028);
}

#[test]
fn a_code_that_no_header_knows_survives() {
    assert_eq!(cuda::CUresult(123_456).0, 123_456);
}
