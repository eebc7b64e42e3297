"""Where a rented command runs: ``process`` (a private directory) or ``sandbox`` (bubblewrap).

base_layer   what of the launcher's own Python environment a session may see, as a directory of links
python_environment  the private Python environment of one activity
init         the program that is the ancestor of all processes of one activity, and their end
ninep_limits what volumes from the host refuse in Golem's VM, part of that program
user_namespace  users beside root for a sandbox
internet     the way out of a sandbox; network_interface: its end inside; dns: the name servers on it
control      our side of that program
volumes      container paths, and the only way to files below them
usage        what a tree of processes and its directory consume
minimal_init the first program of a sandbox, which needs nothing of an image
escaped_processes  the end of those that nothing else ended
memory_limit what is killed when an activity holds more than it may
environment_variables
runtime_interface  the interface of a runtime
process_runtime, sandbox_runtime, supported_runtime
"""
