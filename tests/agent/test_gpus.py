"""What the agent reads of ``nvidia-smi``: reports as drivers of several years make them, cut to what is read."""

import subprocess
import xml.etree.ElementTree as ET

import pytest

from golem_launcher.agent import gpus

HEAD = '<?xml version="1.0" ?>\n<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">\n'

NEW = f"""{HEAD}<nvidia_smi_log>
	<driver_version>550.54.14</driver_version>
	<cuda_version>12.4</cuda_version>
	<attached_gpus>1</attached_gpus>
	<gpu id="00000000:01:00.0">
		<product_name>NVIDIA L4</product_name>
		<fan_speed>N/A</fan_speed>
		<fb_memory_usage>
			<total>23034 MiB</total><reserved>467 MiB</reserved><used>1200 MiB</used><free>21366 MiB</free>
		</fb_memory_usage>
		<utilization><gpu_util>37 %</gpu_util><memory_util>12 %</memory_util></utilization>
		<temperature><gpu_temp>45 C</gpu_temp><gpu_temp_max_threshold>N/A</gpu_temp_max_threshold></temperature>
		<gpu_power_readings>
			<power_draw>31.50 W</power_draw><current_power_limit>72.00 W</current_power_limit>
		</gpu_power_readings>
		<processes>
			<process_info>
				<gpu_instance_id>N/A</gpu_instance_id><compute_instance_id>N/A</compute_instance_id><pid>4242</pid>
				<type>C</type><process_name>/usr/bin/python3</process_name><used_memory>1190 MiB</used_memory>
			</process_info>
			<process_info>
				<pid>7</pid><type>G</type><process_name>Xorg</process_name><used_memory>N/A</used_memory>
			</process_info>
		</processes>
	</gpu>
</nvidia_smi_log>
"""

OLD = f"""{HEAD.replace("v12", "v6")}<nvidia_smi_log>
	<driver_version>352.63</driver_version>
	<attached_gpus>2</attached_gpus>
	<gpu id="0000:01:00.0">
		<product_name>Tesla K40m</product_name>
		<fb_memory_usage><total>11519 MB</total><used>23 MB</used></fb_memory_usage>
		<utilization><gpu_util>0 %</gpu_util></utilization>
		<temperature><gpu_temp>30 C</gpu_temp></temperature>
		<power_readings><power_draw>20.94 W</power_draw><power_limit>235.00 W</power_limit></power_readings>
		<processes></processes>
	</gpu>
	<gpu id="0000:02:00.0">
		<product_name>GeForce GT 610</product_name>
		<fb_memory_usage><total>1023 MB</total><used>3 MB</used></fb_memory_usage>
		<utilization><gpu_util>N/A</gpu_util></utilization>
		<temperature><gpu_temp>30 C</gpu_temp></temperature>
		<power_readings><power_draw>[Not Supported]</power_draw></power_readings>
		<processes>N/A</processes>
	</gpu>
</nvidia_smi_log>
"""


def test_a_report_of_today():
    (found,) = gpus.read(NEW.encode(), ("8.9",))
    assert found == {
        "name": "NVIDIA L4", "driver": "550.54.14", "compute_capability": "8.9",
        "memory_total_bytes": 23034 << 20, "memory_bytes": 1200 << 20, "percent": 37.0, "celsius": 45.0,
        "watts": 31.5, "watts_most": 72.0,
        "processes": [
            {"pid": 4242, "name": "/usr/bin/python3", "memory_bytes": 1190 << 20}, {"pid": 7, "name": "Xorg"},
        ],
    }  # fmt: skip


def test_a_report_of_an_old_driver_and_figures_that_a_card_does_not_have():
    first, second = gpus.read(OLD.encode())
    assert (first["name"], first["memory_total_bytes"], first["watts"], first["watts_most"]) == (
        "Tesla K40m", 11519 << 20, 20.94, 235.0,
    )  # fmt: skip
    assert second.keys() == {
        "name", "driver", "compute_capability", "memory_total_bytes", "memory_bytes", "celsius", "processes",
    }  # fmt: skip


def test_power_as_the_newest_drivers_tell_it():
    report = NEW.replace("power_draw>", "average_power_draw>").replace("current_power_limit>", "power_limit>")
    (found,) = gpus.read(report.encode())
    assert (found["watts"], found["watts_most"]) == (31.5, 72.0)


@pytest.mark.parametrize(
    "report", [b"", b"No devices were found", b"<html/>", NEW[:400].encode(), b"\xff\xfe", b"<nvidia_smi_log>&x;"]
)
def test_what_is_no_report_is_refused(report):
    with pytest.raises(ValueError, match="no report"):
        gpus.read(report)


@pytest.mark.parametrize("figure", ["nan %", "inf %", "-1 %", "1e9 %", "٣ %", "37", "37 C", "%", "1.2.3 %", "3 7 %"])
def test_what_is_no_figure_is_left_out(figure):
    (found,) = gpus.read(NEW.replace("37 %", figure).encode())
    assert "percent" not in found


def test_long_names_and_many_processes_are_cut():
    report = ET.fromstring(NEW)
    report.find("gpu/product_name").text = "x" * 10_000
    processes = report.find("gpu/processes")
    processes.extend([processes[0]] * 100)
    report.extend([report.find("gpu")] * 40)
    found = gpus.read(ET.tostring(report))
    assert (len(found), len(found[0]["name"]), len(found[0]["processes"])) == (16, 80, 16)


@pytest.fixture
def program(tmp_path, monkeypatch):
    """An ``nvidia-smi`` that is a shell script."""

    def make(script):
        path = tmp_path / "nvidia-smi"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        gpus._capabilities.cache_clear()

    return make


def test_where_there_is_no_driver_there_are_no_gpus(program):
    program("echo 'NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.'; exit 9")
    assert gpus.gpus() == []


def test_nothing_is_known_where_there_is_no_program_or_it_hangs(program, monkeypatch):
    program("exec sleep 60")
    monkeypatch.setattr(gpus, "_SECONDS", 0.1)
    assert gpus.gpus() is None
    monkeypatch.setenv("PATH", "/nowhere")
    assert gpus.gpus() is None


def test_the_capabilities_are_asked_for_once(program, tmp_path):
    (tmp_path / "report").write_text(NEW)
    program(f'case "$1" in -q) cat {tmp_path}/report;; *) echo 8.9; echo asked >> {tmp_path}/asked;; esac')
    assert [gpus.gpus()[0]["compute_capability"] for _ in range(3)] == ["8.9"] * 3
    assert (tmp_path / "asked").read_text() == "asked\n"


def test_a_driver_that_tells_no_capability_does_no_harm(program, tmp_path):
    (tmp_path / "report").write_text(OLD)
    refused = "echo 'Field \"compute_cap\" is not a valid field to query.'; exit 2"
    program(f'case "$1" in -q) cat {tmp_path}/report;; *) {refused};; esac')
    assert [one["compute_capability"] for one in gpus.gpus()] == ["", ""]
    assert subprocess.run(["nvidia-smi", "--query-gpu=compute_cap"], capture_output=True, check=False).returncode == 2
