package stack

import (
	"slices"
	"strings"
	"time"
)

func serviceValue() value[*serviceDraft] {
	fields := slices.Concat(sourceKeys(), linkKeys(), eventKeys(), lifeKeys())
	return objectFrom(func(p Pos) *serviceDraft { return &serviceDraft{Service: Service{Pos: p}} }, fields)
}

// sourceKeys say what a service is made of.
func sourceKeys() []field[*serviceDraft] {
	type s = *serviceDraft
	return []field[s]{
		key("path", "Folder of the service, from the stack's folder. Its language is detected: a Go main package, package.json, pyproject.toml, requirements.txt or main.py, Dockerfile. Required unless command or image says what runs.",
			text(), func(d *s, v string) { (*d).Path = v }),
		key("command", "What to run: a list of arguments, or a line for the shell. Default: the language's own way.",
			argv(), func(d *s, v []string) { (*d).Command = v }),
		key("image", "Container image to run. Default: none.", text(), func(d *s, v string) { (*d).Image = v }),
		key("build", "How to make it: a command, or a mapping with command and dockerfile. Default: the language's own way.",
			build(), func(d *s, v *Build) { (*d).Build = v }),
		key("dir", "Working folder, from the stack's folder. Default: path, else the stack's folder.",
			text(), func(d *s, v string) { (*d).Dir = v }),
		key("run", "Where it runs. Default: process; container where there is only an image or a Dockerfile.",
			oneOf("process", "container"), func(d *s, v string) { (*d).run = v }),
		key("requires", "Tools that the machine must have, with the version: {python: \">=3.11\"}, or a list of tools. Default: none.",
			requirements(), func(d *s, v []Requirement) { (*d).Requires = v }),
		key("optional", "A missing requirement skips it, said and shown, instead of failing. Default: false.",
			boolean(), func(d *s, v bool) { (*d).Optional = v }),
	}
}

// linkKeys say what a service offers and needs.
func linkKeys() []field[*serviceDraft] {
	type s = *serviceDraft
	return []field[s]{
		key("listen", "Ports by name, such as {http: 8080, grpc: auto}. Default of a port: auto, a free one that is kept; 8080:80 adds the port inside a container, 8080:auto or 8080:80 of a process the one that the program opens behind msctl. Default: none.",
			named(port()), func(d *s, v []entry[Listen]) { (*d).Listen = listens(v) }),
		key("calls", "Services that it calls: a list, or a mapping to the listen name or to protocol, mesh and optional. It is given USERS_URL and USERS_GRPC_ADDR. Default: none; the listen name is http, or the only one.",
			either(isMapping, callMap(), callList()), func(d *s, v []Call) { (*d).calls = v }),
		key("weights", "How calls to this service are spread, such as {orders: 90, orders-next: 10}: itself and services that listen alike. Default: all to itself.",
			named(integer(0, 1000)), func(d *s, v []entry[int]) { (*d).Weights = shares(v) }),
		key("uses", "Resources that it uses: a list, or a mapping to what is special. It is given ORDERS_DB_URL. Default: none.",
			either(isMapping, useMap(), useList()), func(d *s, v []link) { (*d).uses = v }),
		key("after", "Services and resources that must be ready before it starts; calls and uses imply it. Default: none.",
			listOf(at(text())), func(d *s, v []spot) { (*d).after = v }),
		key("env", "Environment variables. References such as ${users.url}, ${self.http.port}, ${env:HOME} and ${secret:NAME} are replaced once; $$ is a dollar. In text a secret is masked from 4 bytes on. Default: none.",
			environment(), func(d *s, v []Var) { (*d).Env = v }),
		key("env_file", "Files of NAME=value lines, from the stack's folder; values are taken as they are, and env wins. Default: none.",
			either(isScalar, as(at(text()), func(f spot) []spot { return []spot{f} }), listOf(at(text()))), func(d *s, v []spot) { (*d).envFiles = v }),
	}
}

// lifeKeys say how a service lives.
func lifeKeys() []field[*serviceDraft] {
	type s = *serviceDraft
	return []field[s]{
		key("health", "When it is ready: one of http, tcp, grpc, log, exec. Default: its listen ports accept; without any, it has run for 200 ms; a job exited 0.",
			probe(), func(d *s, v *Probe) { (*d).Health = v }),
		key("job", "Runs once and must exit 0. Default: false.", boolean(), func(d *s, v bool) { (*d).Job = v }),
		key("replicas", "How many run side by side. Default: 1.", integer(1, 100), func(d *s, v int) { (*d).Replicas = v }),
		key("restart", "After an exit that nobody asked for: a policy, or a mapping with policy, limit and delay. Default: on-failure; a job: never.",
			restart(), func(d *s, v Restart) { (*d).Restart = v }),
		key("stop", "How it is asked to end: a mapping with signal and grace. Default: TERM, 10s.",
			object([]field[Stop]{
				key("signal", "Signal that asks it to end. Default: TERM.", signal(), func(t *Stop, v string) { t.Signal = v }),
				key("grace", "Time to end before it is killed. Default: 10s.", duration(), func(t *Stop, v time.Duration) { t.Grace = v }),
			}), func(d *s, v Stop) { (*d).Stop = v }),
		key("limits", "What it may use: a mapping with cpu and memory. Default: no limit.",
			object([]field[Limits]{
				key("cpu", "Cores, such as 0.5. Default: no limit.", cores(), func(l *Limits, v float64) { l.CPU = v }),
				key("memory", "Memory, such as 256M. Default: no limit.", memory(), func(l *Limits, v int64) { l.Memory = v }),
			}), func(d *s, v Limits) { (*d).Limits = v }),
		key("watch", "What restarts it in `up --watch`: a list of paths, or a mapping with paths, ignore and action. Default: what it is built from.",
			watch(), func(d *s, v Watch) { (*d).Watch = v }),
		key("tasks", "One-off commands by name, for `msctl run SERVICE TASK`. Default: none.",
			named(argv()), func(d *s, v []entry[[]string]) { (*d).Tasks = tasks(v) }),
		key("contract", "How its consumer contracts are made: a mapping with test. Default: the language's own way.",
			object([]field[Contract]{
				key("test", "Command that runs its consumer tests, which write pacts into the folder MSCTL_PACT_DIR. Default: Go tests under the build tag pact, the script test:contract of package.json, or test_contract.py.",
					argv(), func(c *Contract, v []string) { c.Test = v }),
			}), func(d *s, v Contract) { (*d).Contract = &v }),
	}
}

func build() value[*Build] {
	short := value[*Build]{argv().schema, func(c *collector, n *node) (*Build, bool) {
		cmd, ok := argv().read(c, n)
		return &Build{Command: cmd, Pos: n.pos}, ok
	}}
	long := objectFrom(func(p Pos) *Build { return &Build{Pos: p} }, []field[*Build]{
		key("command", "Command that makes it, run in the working folder. Default: the language's own way.", argv(), func(b **Build, v []string) { (*b).Command = v }),
		key("dockerfile", "File to make the image from, in the service's folder. Default: none.", text(), func(b **Build, v string) { (*b).Dockerfile = v }),
	})
	return either(isMapping, long, short)
}

func requirements() value[[]Requirement] {
	list := as(listOf(at(text())), func(ss []spot) []Requirement {
		var out []Requirement
		for _, s := range ss {
			out = append(out, Requirement{Tool: s.Name, Pos: s.Pos})
		}
		return out
	})
	long := as(mapOf(varRule, "write the tool's name", at(constraint())), func(es []entry[spot]) []Requirement {
		var out []Requirement
		for _, e := range es {
			out = append(out, Requirement{Tool: e.Name, Version: e.Value.Name, Pos: e.Pos})
		}
		return out
	})
	return either(isMapping, long, list)
}

func restart() value[Restart] {
	policy := oneOf("on-failure", "always", "never")
	short := as(policy, func(p string) Restart { return Restart{Policy: p} })
	long := object([]field[Restart]{
		key("policy", "When it is started again. Default: on-failure; a job: never.", policy, func(r *Restart, v string) { r.Policy = v }),
		key("limit", "Tries in a row before giving up. Default: 0, no limit.", integer(0, 1000), func(r *Restart, v int) { r.Limit = v }),
		key("delay", "First delay, doubled up to 30s. Default: 500ms.", duration(), func(r *Restart, v time.Duration) { r.Delay = v }),
	})
	return either(isMapping, long, short)
}

// signal is one of the polite signals, with or without SIG.
func signal() value[string] {
	v := oneOf("TERM", "INT", "QUIT", "HUP", "SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP")
	return as(v, func(s string) string { return strings.TrimPrefix(s, "SIG") })
}

func watch() value[Watch] {
	short := as(listOf(text()), func(p []string) Watch { return Watch{Paths: p} })
	long := object([]field[Watch]{
		key("paths", "Files and folders, from the working folder. Default: what it is built from (Go: its packages).", listOf(text()), func(w *Watch, v []string) { w.Paths = v }),
		key("ignore", "Glob patterns that are ignored. Default: none.", listOf(text()), func(w *Watch, v []string) { w.Ignore = v }),
		key("action", "What a change does: restart, signal (HUP) or none. Default: restart.", oneOf("restart", "signal", "none"), func(w *Watch, v string) { w.Action = v }),
	})
	return either(isMapping, long, short)
}

func tasks(es []entry[[]string]) []Task {
	var out []Task
	for _, e := range es {
		out = append(out, Task{Name: e.Name, Command: e.Value, Pos: e.Pos})
	}
	return out
}
