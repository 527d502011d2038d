package cli

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
)

// finding is one thing that doctor looked at.
type finding struct {
	Area string `json:"area"`
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
	Bad  bool   `json:"bad,omitempty"` // this stack cannot come up because of it
}

// patient is what doctor examines.
type patient struct {
	app     *App
	machine resource.Machine
	place   place
	stack   *stack.Stack // nil: there is none here, or it is wrong
	trouble error        // why stack is nil
	cure    string       // what to do about resources that nothing here can run
}

// examinations is everything that doctor looks at, in order.
var examinations = []func(context.Context, *patient) []finding{
	examineRuntimes,
	examineTools,
	examineFiles,
	examineStack,
	examineResources,
	examineChaos,
	examinePorts,
	examineLeft,
}

func newDoctor(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine can run, and why not",
		Long: "doctor looks at container engine, installed servers, tool chains, the limit of open files, the stack's\n" +
			"resources and fixed ports, and at what an earlier msctl left behind. It changes nothing. Its code is 1 when\n" +
			"the stack of this folder cannot come up.",
		Example: "  msctl doctor\n  msctl doctor --json | jq 'select(.ok|not)'",
		Args:    args(cobra.NoArgs),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		found, cure := a.examine(cmd.Context())
		bad := 0
		for _, f := range found {
			if f.Bad {
				bad++
			}
			if *asJSON {
				if err := writeJSON(a.Out, "finding", f); err != nil {
					return err
				}
			}
		}
		if !*asJSON {
			printFindings(a.screenOf(a.Out), found)
		}
		if bad > 0 {
			return failed(cure, "look at this machine: %s the stack from coming up", keeps(bad))
		}
		return nil
	}
	return cmd
}

func keeps(findings int) string {
	if findings == 1 {
		return "1 finding keeps"
	}
	return fmt.Sprintf("%d findings keep", findings)
}

func (a *App) examine(ctx context.Context) (found []finding, cure string) {
	p := &patient{app: a, machine: a.machine(ctx)}
	p.stack, p.trouble = a.load("")
	if p.trouble == nil {
		p.place, p.trouble = a.place()
	}
	for _, look := range examinations {
		found = append(found, look(ctx, p)...)
	}
	veil := a.veil()
	for i := range found {
		found[i].Text = veil.Text(found[i].Text)
	}
	return found, p.cure
}

func printFindings(s screen, found []finding) {
	area, width := "", 0
	for _, f := range found {
		width = max(width, len(f.Name))
	}
	for _, f := range found {
		if f.Area != area {
			area = f.Area
			fmt.Fprintln(s, s.paint(bold, area))
		}
		mark, colour := "ok", green
		switch {
		case f.Bad:
			mark, colour = "no", red
		case !f.OK:
			mark, colour = "--", yellow
		}
		hang := strings.Repeat(" ", 8+width)
		text := strings.TrimLeft(fold(clean(firstLine(f.Text)), max(s.width, len(hang)+20), hang), " ")
		fmt.Fprintf(s, "  %s  %s  %s\n", s.paint(colour, mark), pad(f.Name, width), text)
	}
}

func examineRuntimes(_ context.Context, p *patient) []finding {
	engine := finding{Area: "runtimes", Name: "container", OK: true, Text: "an engine answers"}
	if p.machine.Engine != nil {
		engine.OK, engine.Text = false, p.machine.Engine.Error()
	}
	native := finding{Area: "runtimes", Name: "native", Text: "no server is installed"}
	var have []string
	for _, k := range resource.Kinds {
		for _, r := range k.Recipes {
			if r.Runtime == resource.Native && p.installed(r) {
				have = append(have, k.Name)
			}
		}
	}
	if len(have) > 0 {
		native.OK, native.Text = true, strings.Join(have, ", ")
	}
	return []finding{engine, native, {Area: "runtimes", Name: "embedded", OK: true, Text: "always: nats, redis, kafka, smtp, sqlite"}}
}

// installed reports that every program of a native recipe is there.
func (p *patient) installed(r *resource.Recipe) bool {
	for _, name := range r.Programs {
		if p.machine.Programs[name] == "" {
			return false
		}
	}
	return true
}

// tools is what services are built and run with, and how each tells its version.
var tools = []struct {
	name     string
	argv     []string
	language stack.Language
}{
	{"go", []string{"go", "version"}, stack.Go},
	{"node", []string{"node", "--version"}, stack.Node},
	{"python3", []string{"python3", "--version"}, stack.Python},
}

func examineTools(ctx context.Context, p *patient) []finding {
	var found []finding
	for _, t := range tools {
		f := finding{Area: "tool chains", Name: t.name, OK: true}
		limited, cancel := context.WithTimeout(ctx, 5*time.Second)
		out, err := exec.CommandContext(limited, t.argv[0], t.argv[1:]...).Output()
		cancel()
		f.Text = strings.TrimSpace(string(out))
		if err != nil {
			f.OK, f.Text = false, "not installed"
			if !errors.Is(err, exec.ErrNotFound) {
				f.Text = err.Error()
			}
			f.Bad = p.needs(t.language)
		}
		found = append(found, f)
	}
	return found
}

// needs reports that a service which is not optional is written in a language.
func (p *patient) needs(l stack.Language) bool {
	if p.stack == nil {
		return false
	}
	for _, s := range p.stack.Services {
		if s.Language == l && !s.Optional {
			return true
		}
	}
	return false
}

func examineStack(_ context.Context, p *patient) []finding {
	switch {
	case p.stack != nil && p.trouble == nil:
		text := fmt.Sprintf("%d services, %d resources in %s", len(p.stack.Services), len(p.stack.Resources), p.stack.Dir)
		return []finding{{Area: "stack", Name: p.stack.Name, OK: true, Text: text}}
	case errors.Is(p.trouble, stack.ErrNoFile):
		return []finding{{Area: "stack", Name: stack.FileName, Text: "none here: `msctl init` makes one"}}
	}
	var found []finding
	for _, m := range mistakes(p.trouble) {
		found = append(found, finding{Area: "stack", Name: stack.FileName, Bad: true, Text: m.text})
	}
	return found
}
