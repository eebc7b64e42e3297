"""A kernel that publishes at its place only when it was asked a few things. Others do so for a moment."""

from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp

_REQUESTS = 3


class LateKernel(IPythonKernel):
    asked = 0

    def pre_handler_hook(self):
        super().pre_handler_hook()
        self.asked += 1
        if self.asked == _REQUESTS:
            self.parent.publish()


class LateApp(IPKernelApp):
    kernel_class = LateKernel

    def init_iopub(self, context):
        self.place = self.iopub_port
        self.iopub_port = 0
        super().init_iopub(context)
        self.iopub_port = self.place

    def publish(self):
        thread = self.iopub_thread
        thread.schedule(lambda: thread.socket.bind(f"tcp://{self.ip}:{self.place}"))


LateApp.launch_instance()
