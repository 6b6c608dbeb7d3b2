//! Executors that stand in front of another one, `self.inner`, and change little of what it does.

/// The methods of `Executor` that such executors leave as they are.
macro_rules! as_inner {
    () => {
        fn info(&self) -> &verigrad::exec::DeviceInfo {
            self.inner.info()
        }

        fn picks(&self) -> &verigrad::compile::Picks {
            self.inner.picks()
        }

        fn pin(&mut self, picks: verigrad::compile::Picks) {
            self.inner.pin(picks);
        }

        fn write(
            &mut self,
            buffer: &str,
            offset: usize,
            bytes: &[u8],
        ) -> Result<(), verigrad::exec::ExecError> {
            self.inner.write(buffer, offset, bytes)
        }

        fn read_buffer(
            &mut self,
            program: verigrad::exec::ProgramId,
            buffer: usize,
        ) -> Result<Vec<u8>, verigrad::exec::ExecError> {
            self.inner.read_buffer(program, buffer)
        }

        fn read(
            &mut self,
            buffer: &str,
        ) -> Result<verigrad::exec::ReadTicket, verigrad::exec::ExecError> {
            self.inner.read(buffer)
        }

        fn wait(&mut self) -> Result<(), verigrad::exec::ExecError> {
            self.inner.wait()
        }

        fn unload_all(&mut self) {
            self.inner.unload_all();
        }

        fn tensor_bytes(&self) -> usize {
            self.inner.tensor_bytes()
        }

        fn allocations(&self) -> usize {
            self.inner.allocations()
        }
    };
}
pub(crate) use as_inner;
