//! The two ways to a GPU behind one face: NVIDIA's runtime, and the driver itself.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::time::Duration;

use driver::Result;
use driver::cuda::{Address, Driver, MemInfo, Primary, Spin};
use driver::cudart::Runtime;

use crate::step::Shape;

/// What a step may ask of a GPU.
pub(crate) trait Gpu {
    fn info(&self) -> Result<Info>;
    fn select(&self, ordinal: u32) -> Result<()>;
    fn memory(&self) -> Result<MemInfo>;
    fn alloc(&self, shape: Shape) -> Result<Allocation>;
    fn free(&self, address: Address) -> Result<()>;
    fn write(&self, to: Address, bytes: &[u8]) -> Result<()>;
    fn read(&self, from: Address, bytes: &mut [u8]) -> Result<()>;
    fn launch(&self, count: u32, time: Duration) -> Result<()>;
    fn reset(&self) -> Result<()>;
}

/// What the libraries say of themselves and of the devices.
pub(crate) struct Info {
    pub(crate) runtime_version: Option<u32>,
    pub(crate) driver_version: u32,
    pub(crate) devices: Vec<Device>,
}

pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) total_bytes: u64,
}

/// Memory that was given, and how much of it.
pub(crate) struct Allocation {
    pub(crate) address: Address,
    pub(crate) bytes: u64,
}

impl Gpu for Runtime {
    fn info(&self) -> Result<Info> {
        let device = |ordinal| {
            let found = self.properties(ordinal)?;
            Ok(Device { name: found.name, uuid: found.uuid, total_bytes: found.total_memory })
        };
        Ok(Info {
            runtime_version: Some(self.version()?),
            driver_version: self.driver_version()?,
            devices: (0..self.device_count()?).map(device).collect::<Result<_>>()?,
        })
    }

    fn select(&self, ordinal: u32) -> Result<()> {
        self.set_device(ordinal)
    }

    fn memory(&self) -> Result<MemInfo> {
        self.mem_info()
    }

    fn alloc(&self, shape: Shape) -> Result<Allocation> {
        Ok(match shape {
            Shape::Linear(bytes) => Allocation { address: Self::alloc(self, bytes)?, bytes },
            Shape::Managed(bytes) => Allocation { address: self.alloc_managed(bytes)?, bytes },
            Shape::Pitch(width, height) => {
                let (address, pitch) = self.alloc_pitch(width, height)?;
                Allocation { address, bytes: pitch * height }
            }
        })
    }

    fn free(&self, address: Address) -> Result<()> {
        Self::free(self, address)
    }

    fn write(&self, to: Address, bytes: &[u8]) -> Result<()> {
        Self::write(self, to, bytes)
    }

    fn read(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        Self::read(self, from, bytes)
    }

    fn launch(&self, count: u32, time: Duration) -> Result<()> {
        let kernel = self.spin(time)?;
        (0..count).try_for_each(|_| kernel.launch())?;
        self.synchronize()
    }

    fn reset(&self) -> Result<()> {
        Self::reset(self)
    }
}

/// The driver, with the primary context of the chosen device from the first need on.
pub(crate) struct Direct {
    driver: &'static Driver,
    ordinal: Cell<u32>,
    primary: RefCell<Option<Primary<'static>>>,
}

impl Direct {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let driver = Box::leak(Box::new(Driver::open(path)?));
        Ok(Self { driver, ordinal: Cell::new(0), primary: RefCell::new(None) })
    }

    /// The driver with a current context.
    fn current(&self) -> Result<&'static Driver> {
        let mut primary = self.primary.borrow_mut();
        if primary.is_none() {
            self.driver.init()?;
            *primary = Some(self.driver.device(self.ordinal.get())?.primary()?);
        }
        Ok(self.driver)
    }
}

impl Gpu for Direct {
    fn info(&self) -> Result<Info> {
        self.driver.init()?;
        let device = |ordinal| {
            let device = self.driver.device(ordinal)?;
            let (name, uuid) = (device.name()?, device.uuid()?);
            Ok(Device { name, uuid, total_bytes: device.total_memory()? })
        };
        Ok(Info {
            runtime_version: None,
            driver_version: self.driver.version()?,
            devices: (0..self.driver.device_count()?).map(device).collect::<Result<_>>()?,
        })
    }

    fn select(&self, ordinal: u32) -> Result<()> {
        self.ordinal.set(ordinal);
        self.primary.take();
        self.current().map(|_| ())
    }

    fn memory(&self) -> Result<MemInfo> {
        self.current()?.mem_info()
    }

    fn alloc(&self, shape: Shape) -> Result<Allocation> {
        let driver = self.current()?;
        Ok(match shape {
            Shape::Linear(bytes) => Allocation { address: driver.alloc(bytes)?, bytes },
            Shape::Managed(bytes) => Allocation { address: driver.alloc_managed(bytes)?, bytes },
            Shape::Pitch(width, height) => {
                let (address, pitch) = driver.alloc_pitch(width, height)?;
                Allocation { address, bytes: pitch * height }
            }
        })
    }

    fn free(&self, address: Address) -> Result<()> {
        self.current()?.free(address)
    }

    fn write(&self, to: Address, bytes: &[u8]) -> Result<()> {
        self.current()?.write(to, bytes)
    }

    fn read(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        self.current()?.read(from, bytes)
    }

    fn launch(&self, count: u32, time: Duration) -> Result<()> {
        let (driver, spin) = (self.current()?, Spin::new(time));
        let (module, stream) = (driver.module(&spin.ptx)?, driver.stream()?);
        let kernel = module.kernel(&spin.name)?;
        (0..count).try_for_each(|_| kernel.launch(&stream, 1))?;
        stream.synchronize()
    }

    fn reset(&self) -> Result<()> {
        match self.primary.take() {
            Some(primary) => primary.reset(),
            None => Ok(()),
        }
    }
}
