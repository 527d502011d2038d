package resource

import (
	"fmt"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/stack"
)

// CannotRun says which resources this machine cannot run, why, and what to install.
type CannotRun struct {
	Missing []Missing
	Manager string // package manager to speak of, "" when none is known
}

// Missing is one resource without a recipe that runs here.
type Missing struct {
	Resource *stack.Resource
	Kind     *Kind
	Rejected []Rejected
}

func (e *CannotRun) Error() string {
	var b strings.Builder
	for i, k := range e.kinds() {
		if i > 0 {
			b.WriteByte('\n')
		}
		names, rejected := e.of(k)
		fmt.Fprintf(&b, "run %s (%s): nothing here can", k.Name, strings.Join(names, ", "))
		for _, r := range rejected {
			fmt.Fprintf(&b, "\n  %-9s  %s", r.Runtime, r.Reason)
		}
	}
	for _, cause := range e.causes() {
		fmt.Fprintf(&b, "\n  %-9s  %s", "registry", cause)
	}
	fmt.Fprintf(&b, "\nhint: %s", e.hint())
	return b.String()
}

// kinds is every kind that is missing, once, in the order of the file.
func (e *CannotRun) kinds() []*Kind {
	var kinds []*Kind
	for _, m := range e.Missing {
		if !slices.Contains(kinds, m.Kind) {
			kinds = append(kinds, m.Kind)
		}
	}
	return kinds
}

func (e *CannotRun) of(k *Kind) (names []string, rejected []Rejected) {
	for _, m := range e.Missing {
		if m.Kind == k {
			names, rejected = append(names, m.Resource.Name), m.Rejected
		}
	}
	return names, rejected
}

// causes is what registries say, each once.
func (e *CannotRun) causes() []string {
	var all []string
	for _, m := range e.Missing {
		for _, r := range m.Rejected {
			if r.Cause != "" && !slices.Contains(all, r.Cause) {
				all = append(all, r.Cause)
			}
		}
	}
	return all
}

// hint is one sentence with everything that would help: an engine, packages, stand-ins.
func (e *CannotRun) hint() string {
	var ways, packages, standIns []string
	for _, k := range e.kinds() {
		for _, rec := range k.Recipes {
			for _, p := range rec.Packages {
				if p.Manager == e.Manager {
					packages = append(packages, p.Names)
				}
			}
		}
		for _, rec := range k.StandIn {
			standIns = append(standIns, fmt.Sprintf("`embedded: %s` to %s", rec.Name, k.Name))
		}
	}
	if e.lacksImage() {
		ways = append(ways, "load the image into the engine or reach its registry")
	} else {
		ways = append(ways, "start or install a container engine (https://docs.docker.com/engine/install)")
	}
	if len(packages) > 0 {
		sudo := "sudo "
		if e.Manager == "brew" {
			sudo = ""
		}
		ways = append(ways, fmt.Sprintf("run `%s%s %s %s`", sudo, e.Manager, installVerb(e.Manager), strings.Join(packages, " ")))
	}
	if len(standIns) > 0 {
		ways = append(ways, "add "+strings.Join(standIns, " and "))
	}
	return strings.Join(ways, ", or ")
}

// lacksImage reports that an engine answers and only an image is missing.
func (e *CannotRun) lacksImage() bool {
	for _, m := range e.Missing {
		for _, r := range m.Rejected {
			if r.Runtime == InEngine && strings.HasPrefix(r.Reason, "image ") {
				return true
			}
		}
	}
	return false
}

func installVerb(manager string) string {
	switch manager {
	case "apk":
		return "add"
	case "pacman":
		return "-S"
	}
	return "install"
}
