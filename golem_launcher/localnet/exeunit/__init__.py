"""The exe-unit of one activity: serves it on the bus and runs its requestor's scripts.

script    the commands of a script, read from the bus
ring_buffer   the 4 KiB between a program and us
output_capture   output kept as a command's capture asks for
batch     one script being carried out: results, events, those who wait
command_runner    carrying out one command
transfer, archive, transfer_schemes   the transfer command
network   the activity's ends of VPNs
reports   state and usage, told to yagna
runtime_host   the runtime of the current deployment, and its ends of VPNs
exe_unit  the exe-unit: bus service, scripts, life
failures  failures as requestors read them
image     an image, and what its maker wrote of it
manifest_script   the commands that a manifest allows
assignment   what an exe-unit is made for
"""
