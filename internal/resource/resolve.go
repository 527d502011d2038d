package resource

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/stack"
)

var errNoEngine = errors.New("no container engine is known")

// Choice is how one resource is run, and why so.
type Choice struct {
	Resource *stack.Resource
	Kind     *Kind
	Recipe   *Recipe
	Server   string            // name of the server that it lives on; "" when it is a file
	Image    string            // container: the image, prefix and all
	Programs map[string]string // native: where each program is
	Path     string            // native: search path
	User     string            // native: unprivileged user to run as, "" for the same
	Reason   string            // why this recipe: "first that runs here", "--runtime native", …
	Rejected []Rejected        // better recipes that this machine cannot run
}

// Rejected is a recipe that was not taken.
type Rejected struct {
	Runtime Runtime
	Reason  string // "no container engine answers: …"
	Cause   string // what a registry says of an image that cannot be had: long, and the same for others
}

// Backing says what runs: "container postgres:17", "native postgres", "embedded sqlite".
func (c Choice) Backing() string {
	if c.Image != "" {
		return string(c.Recipe.Runtime) + " " + c.Image
	}
	return string(c.Recipe.Runtime) + " " + c.Recipe.Name
}

// Resolve picks for each resource of the stack the first recipe that the machine can run. runtime forces
// one: "container", "native" or "embedded" for every kind that has such a recipe; a resource's own
// `runtime:` goes before it. The error is [*CannotRun], or [stack.Errors] for a mistake in the file.
func Resolve(st *stack.Stack, m Machine, runtime string) ([]Choice, error) {
	if runtime != "" && !slices.Contains(Runtimes, Runtime(runtime)) {
		return nil, fmt.Errorf("choose runtime %q: want auto, container, native or embedded", runtime)
	}
	var (
		choices  []Choice
		mistakes stack.Errors
		missing  []Missing
	)
	for _, r := range st.Resources {
		if err := check(r); err != nil {
			mistakes = append(mistakes, err)
			continue
		}
		c, ok := choose(r, st.Dir, m, Runtime(runtime))
		if !ok {
			missing = append(missing, Missing{Resource: r, Kind: c.Kind, Rejected: c.Rejected})
			continue
		}
		choices = append(choices, c)
	}
	switch {
	case len(mistakes) > 0:
		return nil, mistakes
	case len(missing) > 0:
		return nil, &CannotRun{Missing: missing, Manager: m.Manager}
	}
	nameServers(st, choices)
	return choices, nil
}

// check finds what is wrong with a resource on any machine.
func check(r *stack.Resource) *stack.Error {
	k := Find(r.Type)
	if k == nil {
		return &stack.Error{Pos: r.Pos, Msg: fmt.Sprintf("resource %q has unknown type %q", r.Name, r.Type), Hint: "one of " + kindNames()}
	}
	if r.Embedded != "" && standIn(k, r.Embedded) == nil {
		return &stack.Error{Pos: r.Pos, Msg: fmt.Sprintf("resource %q cannot be %q when embedded", r.Name, r.Embedded), Hint: standInHint(k)}
	}
	if rt := Runtime(r.Runtime); rt != "" && rt != Auto && len(recipes(k, r, rt, true)) == 0 {
		return &stack.Error{Pos: r.Pos, Msg: fmt.Sprintf("resource %q: %s has no %s recipe", r.Name, k.Name, r.Runtime), Hint: standInHint(k)}
	}
	if f := k.Recipes[0].check; f != nil {
		if msg, hint := f(r); msg != "" {
			return &stack.Error{Pos: r.Pos, Msg: msg, Hint: hint}
		}
	}
	return nil
}

// choose takes the first recipe that fits, and reports false with the reasons when none does.
func choose(r *stack.Resource, dir string, m Machine, runtime Runtime) (Choice, bool) {
	k := Find(r.Type)
	c := Choice{Resource: r, Kind: k}
	why := "first that runs here"
	strict := false
	if rt := Runtime(r.Runtime); rt != "" && rt != Auto {
		runtime, strict, why = rt, true, "runtime: "+r.Runtime
	} else if runtime != "" && runtime != Auto {
		why = "--runtime " + string(runtime)
		if len(recipes(k, r, runtime, true)) == 0 {
			why = fmt.Sprintf("%s has no %s recipe", k.Name, runtime)
			if runtime == Embedded && len(k.StandIn) > 0 {
				why = "no `embedded:` names what stands in for it"
			}
		}
	}
	for _, rec := range recipes(k, r, runtime, strict) {
		reason, cause := unfit(rec, r, dir, m)
		if reason == "" {
			c.Recipe, c.Reason = rec, why
			c.equip(m)
			return c, true
		}
		c.Rejected = append(c.Rejected, Rejected{Runtime: rec.Runtime, Reason: reason, Cause: cause})
	}
	return c, false
}

// equip notes what of the machine the chosen recipe uses.
func (c *Choice) equip(m Machine) {
	switch c.Recipe.Runtime {
	case InEngine:
		c.Image = imageOf(c.Recipe, c.Resource, m)
	case Native:
		c.Path, c.User = m.Path, m.User
		c.Programs = map[string]string{}
		for _, name := range c.Recipe.Programs {
			c.Programs[name] = m.Programs[name]
		}
	}
}

func imageOf(rec *Recipe, r *stack.Resource, m Machine) string {
	if r.Image != "" {
		return m.Image(r.Image)
	}
	return m.pick(rec.Images)
}

// recipes is what may be tried for r, in order. A forced runtime leaves only its own, unless the kind
// has none of it: then its own order stands, except where strict.
func recipes(k *Kind, r *stack.Resource, runtime Runtime, strict bool) []*Recipe {
	all := slices.Clone(k.Recipes)
	if r.Embedded != "" {
		all = slices.DeleteFunc(all, func(rec *Recipe) bool { return rec.Runtime == Embedded })
		all = append(all, standIn(k, r.Embedded))
	}
	if runtime == "" || runtime == Auto {
		return all
	}
	forced := slices.DeleteFunc(slices.Clone(all), func(rec *Recipe) bool { return rec.Runtime != runtime })
	if len(forced) == 0 && !strict {
		return all
	}
	return forced
}

// unfit says why the machine cannot run a recipe, or "", and what a registry says of it.
func unfit(rec *Recipe, r *stack.Resource, dir string, m Machine) (reason, cause string) {
	switch rec.Runtime {
	case InEngine:
		if m.Engine != nil {
			return m.Engine.Error(), ""
		}
		if m.Fetch != nil {
			return apart(m.Fetch(imageOf(rec, r, m)))
		}
	case Native:
		var absent []string
		for _, p := range rec.Programs {
			if m.Programs[p] == "" {
				absent = append(absent, p)
			}
		}
		if len(absent) > 0 {
			return "not installed: " + strings.Join(absent, ", "), ""
		}
		if shut := closedFolder(dir); m.User != "" && shut != "" {
			return fmt.Sprintf("it would run as %s, who may not enter %s (chmod o+x %s)", m.User, shut, shut), ""
		}
	}
	return "", ""
}

// apart takes the cause at the end of an error off it.
func apart(err error) (text, cause string) {
	if err == nil {
		return "", ""
	}
	if inner := errors.Unwrap(err); inner != nil {
		cause = inner.Error()
	}
	return strings.TrimSuffix(err.Error(), ": "+cause), cause
}

// closedFolder returns the first folder on the way to dir that others may not pass, or "".
func closedFolder(dir string) string {
	for d := dir; ; d = filepath.Dir(d) {
		if info, err := os.Stat(d); err == nil && info.Mode()&0o001 == 0 {
			return d
		}
		if d == filepath.Dir(d) {
			return ""
		}
	}
}

func standIn(k *Kind, name string) *Recipe {
	for _, rec := range append(slices.Clone(k.StandIn), k.Recipes...) {
		if rec.Runtime == Embedded && rec.Name == name {
			return rec
		}
	}
	return nil
}

func standInHint(k *Kind) string {
	var names []string
	for _, rec := range append(slices.Clone(k.StandIn), k.Recipes...) {
		if rec.Runtime == Embedded {
			names = append(names, rec.Name)
		}
	}
	if len(names) == 0 {
		return k.Name + " runs in a container or as an installed server only"
	}
	return "embedded: " + strings.Join(names, " or embedded: ")
}

func kindNames() string {
	var names []string
	for _, k := range Kinds {
		names = append(names, k.Name)
	}
	return strings.Join(names, ", ")
}
