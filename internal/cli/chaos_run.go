package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/chaos/experiment"
	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/telemetry/desk"
)

// runOptions are the flags of chaos run.
type runOptions struct {
	report   string
	json     bool
	parallel int
	check    bool
	strict   bool
}

func newChaosRun(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run FILE…",
		Short: "Run experiments: work, faults, and what must hold meanwhile and behind",
		Long: "run makes experiments on the running fleet. It looks whether the fleet is steady, gives it the workload and\n" +
			"the faults of the file, looks meanwhile, lifts every fault again, and looks whether the fleet comes back.\n" +
			"Faults are lifted whatever happens: also after Ctrl-C, and five seconds after run itself was killed.\n" +
			"What is not part of the running stack is refused. Of several experiments those are skipped that need a service\n" +
			"which this machine cannot run. Chaos Toolkit's experiments, in YAML and JSON, run too.\n\n" +
			probesHelp() + "\n\n" + stepsHelp() + "\n\n" +
			"Exit codes: 0 all held, 1 one deviated, 2 usage or a mistake in a file (stack.yaml too), 3 no steady state before,\n" +
			"4 a fault or probe could not run, or no fleet runs, 5 rollback failed, 130 interrupted.",
		Example: "  msctl chaos run chaos/experiments/breaker.yaml\n  msctl chaos run chaos/experiments/*.yaml --report out --parallel 4\n  msctl chaos run --check chaos/experiments/*.yaml",
		Args:    args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"yaml", "yml", "json"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	o := &runOptions{}
	f := cmd.Flags()
	f.StringVar(&o.report, "report", "", "write journal.json, junit.xml, report.md and report.html into this folder; of several experiments each into one of its own")
	f.IntVar(&o.parallel, "parallel", 1, "how many experiments at once; those that disturb the same services wait for each other")
	f.BoolVar(&o.check, "check", false, "read the files and hold them against the running fleet, and do nothing")
	f.BoolVar(&o.strict, "strict", false, "an experiment that needs what is not in this fleet is a mistake, and not skipped; of one file it always is")
	f.BoolVar(&o.json, "json", false, "print the journal of each experiment as one JSON object per line, with a \"type\"")
	cmd.RunE = func(cmd *cobra.Command, files []string) error { return a.chaosRun(cmd.Context(), o, files) }
	return cmd
}

// chaosStack loads the stack. What is wrong with it has the exit code of a mistake in any file: what stands for it
// elsewhere says here that there was no steady state.
func (a *App) chaosStack() (*stack.Stack, error) {
	st, err := a.load("")
	var coded *codedError
	switch {
	case err == nil:
		return st, nil
	case errors.As(err, &coded):
		return nil, &codedError{coded.err, exitUsage, coded.hint}
	}
	return nil, &codedError{err, exitUsage, ""}
}

func probesHelp() string {
	var b strings.Builder
	b.WriteString("Probes of steady, before, during, after and abort:")
	for _, k := range experiment.Kinds {
		fmt.Fprintf(&b, "\n  %-9s %s", k.Name, k.Doc)
	}
	return b.String()
}

func stepsHelp() string {
	var b strings.Builder
	b.WriteString("Steps of setup, faults and rollback:")
	for _, k := range experiment.Actions {
		fmt.Fprintf(&b, "\n  %-9s %s", k.Name, k.Doc)
	}
	return b.String()
}

// chaosRun reads all files, holds them against the fleet, and only then begins.
func (a *App) chaosRun(ctx context.Context, o *runOptions, files []string) error {
	if o.parallel < 1 {
		return usage("write --parallel 4", "read --parallel: %d is less than 1", o.parallel)
	}
	all, err := a.experiments(files)
	if err != nil {
		return err
	}
	st, err := a.chaosStack()
	if err != nil {
		return err
	}
	p, err := a.place()
	if err != nil {
		return err
	}
	return a.withClient(ctx, func(ctx context.Context, c *control.Client) error {
		site := experiment.Site{Fleet: c, Stack: st, Logs: p.logs(), Environ: a.Environ, Exe: a.Exe, Owed: p.owed()}
		if !st.Telemetry.Off {
			site.Telemetry = desk.Remote{Ask: c.Ask}
		}
		s := &series{App: a, o: o, site: site, veil: a.veil(), out: map[string]bool{}, several: len(all) > 1}
		all, err := s.present(ctx, all)
		if err != nil {
			return err
		}
		if err := valid(ctx, all, site); err != nil {
			return err
		}
		if o.check {
			fmt.Fprintf(a.Err, "%s can run here\n", count(len(all), "experiment"))
			return nil
		}
		if err := s.writable(all); err != nil {
			return err
		}
		a.owing(p)
		return s.run(ctx, all)
	})
}

// present leaves out the experiments that need what is not in this fleet, and says so. Where that is all of them
// nothing is left out: the mistakes are told.
func (s *series) present(ctx context.Context, all []*experiment.Experiment) ([]*experiment.Experiment, error) {
	if s.o.strict || !s.several {
		return all, nil
	}
	var left []*experiment.Experiment
	var out []omitted
	for _, e := range all {
		why, err := experiment.Absent(ctx, e, s.site)
		if err != nil {
			return nil, err
		}
		if why == "" {
			left = append(left, e)
			continue
		}
		out = append(out, omitted{e.Pos.File, why})
	}
	if len(left) == 0 {
		return all, nil
	}
	s.omitted = out
	for _, o := range out {
		fmt.Fprintf(s.Err, "%s: skipped: %s\n", clean(o.File), clean(o.Reason))
		if !s.o.json {
			continue
		}
		if err := writeJSON(s.Out, "skipped", o); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// omitted is an experiment that was skipped, and why.
type omitted struct {
	File   string `json:"file"`
	Reason string `json:"reason"`
}

// experiments reads files, and tells the mistakes of all.
func (a *App) experiments(files []string) ([]*experiment.Experiment, error) {
	var all []*experiment.Experiment
	var mistakes stack.Errors
	for _, file := range files {
		e, err := experiment.Read(a.absolute(file), file)
		var some stack.Errors
		if errors.As(err, &some) {
			mistakes = append(mistakes, some...)
			continue
		}
		if err != nil {
			return nil, usage("", "%w", err)
		}
		all = append(all, e)
	}
	return all, mistaken(mistakes)
}

// valid holds experiments against the fleet.
func valid(ctx context.Context, all []*experiment.Experiment, site experiment.Site) error {
	var mistakes stack.Errors
	for _, e := range all {
		err := experiment.Validate(ctx, e, site)
		var some stack.Errors
		if err != nil && !errors.As(err, &some) {
			return err
		}
		mistakes = append(mistakes, some...)
	}
	return mistaken(mistakes)
}

func mistaken(mistakes stack.Errors) error {
	if len(mistakes) == 0 {
		return nil
	}
	return &codedError{mistakes, exitUsage, ""}
}

// series is several experiments on one fleet.
type series struct {
	*App
	o    *runOptions
	site experiment.Site
	veil *stack.Redactor

	several bool // experiments were asked for
	omitted []omitted
	unbegun []omitted // as they were interrupted before

	mu    sync.Mutex // of what is printed, and of what follows
	out   map[string]bool
	ended map[string]string // by name: why it ended, as its story said
	done  []*experiment.Journal
}

// run makes the experiments, as many at once as is asked for and as keep out of each other's way.
func (s *series) run(ctx context.Context, all []*experiment.Experiment) error {
	var wg sync.WaitGroup
	ended := make(chan *experiment.Experiment)
	waiting, running := slices.Clone(all), []*experiment.Experiment(nil)
	for len(waiting)+len(running) > 0 {
		for i := 0; i < len(waiting) && len(running) < s.o.parallel && ctx.Err() == nil; i++ {
			if e := waiting[i]; apart(e, running) {
				waiting = slices.Delete(waiting, i, i+1)
				running = append(running, e)
				wg.Go(func() { s.one(ctx, e); ended <- e })
				i--
			}
		}
		if len(running) == 0 {
			break
		}
		e := <-ended
		running = slices.DeleteFunc(running, func(other *experiment.Experiment) bool { return other == e })
	}
	wg.Wait()
	for _, e := range waiting {
		s.unbegun = append(s.unbegun, omitted{e.Pos.File, "interrupted before its turn"})
	}
	err := s.conclude()
	if ctx.Err() != nil {
		return interrupted(ctx)
	}
	return err
}

func apart(e *experiment.Experiment, running []*experiment.Experiment) bool {
	for _, other := range running {
		if !experiment.Apart(e, other) {
			return false
		}
	}
	return true
}

// titleOfFile is what an experiment is called among others: its file without folder and ending.
func titleOfFile(e *experiment.Experiment) string {
	base := filepath.Base(e.Pos.File)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// one makes one experiment, tells of it line by line, and writes its report.
func (s *series) one(ctx context.Context, e *experiment.Experiment) {
	name := ""
	if s.several {
		name = titleOfFile(e)
	}
	r := experiment.Runner{Site: s.site, Tell: func(ev experiment.Event) { s.tell(name, ev) }}
	j := r.Run(ctx, e)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, j)
	if s.o.json {
		if err := s.print(j); err != nil {
			say(s.Err, "print journal: "+err.Error(), "")
		}
	}
	if s.o.report == "" {
		return
	}
	if err := experiment.Report(s.folder(name), j, s.veil.Text); err != nil {
		say(s.Err, err.Error(), "")
		j.Verdict, j.Reason = experiment.Broken, err.Error()
	}
}

// folder is where a report is written: of several experiments each into one of its own.
func (s *series) folder(name string) string {
	dir := s.absolute(s.o.report)
	if name == "" {
		return dir
	}
	dir = filepath.Join(dir, name)
	own := dir
	for n := 2; s.out[own]; n++ { // two files of one name
		own = fmt.Sprintf("%s-%d", dir, n)
	}
	s.out[own] = true
	return own
}

// writable looks whether the reports can be written.
func (s *series) writable(all []*experiment.Experiment) error {
	if s.o.report == "" {
		return nil
	}
	dirs := []string{s.absolute(s.o.report)}
	for _, e := range all {
		if s.several {
			dirs = append(dirs, filepath.Join(dirs[0], titleOfFile(e)))
		}
	}
	for _, dir := range dirs {
		if err := canFill(dir); err != nil {
			return usage("name a folder", "write --report: %w", err)
		}
	}
	return nil
}

// print writes a journal as one line.
func (s *series) print(j *experiment.Journal) error {
	return writeJSON(&maskedWriter{w: s.Out, mask: s.veil.Text}, "experiment", j)
}

// tell prints a line of the story.
func (s *series) tell(name string, e experiment.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.screenOf(s.Err)
	text := fmt.Sprintf("%6.2fs %-9s %s", e.At.Seconds(), e.Sort, clean(s.veil.Text(s.once(name, e))))
	if name != "" {
		text = fmt.Sprintf("%-18s %s", name, text)
	}
	if e.Fails {
		text = out.paint(red, text)
	}
	fmt.Fprintln(s.Err, text)
}

// once is the text of an event. A verdict that the end of the experiment said already is without its reason.
func (s *series) once(name string, e experiment.Event) string {
	switch {
	case e.Sort == "end":
		if s.ended == nil {
			s.ended = map[string]string{}
		}
		s.ended[name] = e.Text
	case e.Sort == "verdict" && s.ended[name] == e.Text:
		verdict, _, _ := strings.Cut(e.Text, ": ")
		return verdict
	}
	return e.Text
}

// conclude prints how the experiments ended, and ends with the gravest.
func (s *series) conclude() error {
	gravest, order := 0, map[int]int{0: 0, 1: 1, 3: 2, 4: 3, 5: 4, 130: 5}
	for _, j := range s.done {
		if order[j.Verdict.Code()] > order[gravest] {
			gravest = j.Verdict.Code()
		}
	}
	if s.o.json {
		for _, o := range s.unbegun {
			if err := writeJSON(s.Out, "unbegun", o); err != nil {
				return err
			}
		}
	} else {
		s.table(s.screenOf(s.Out))
	}
	if gravest != 0 {
		return silent(gravest)
	}
	return nil
}

func (s *series) table(out screen) {
	rows := make([][]cell, len(s.done))
	for i, j := range s.done {
		colour := ""
		if j.Verdict != experiment.Held {
			colour = red
		}
		rows[i] = []cell{{clean(j.Experiment.File), ""}, {string(j.Verdict), colour}, {fmt.Sprintf("%.1fs", j.Duration), ""},
			{clean(s.veil.Text(j.Reason)), ""}}
	}
	for _, o := range s.unbegun {
		rows = append(rows, []cell{{clean(o.File), ""}, {"not begun", ""}, {"", ""}, {clean(o.Reason), ""}})
	}
	for _, o := range s.omitted {
		rows = append(rows, []cell{{clean(o.File), ""}, {"skipped", ""}, {"", ""}, {clean(o.Reason), ""}})
	}
	writeTable(out, "", []column{{title: "EXPERIMENT", least: 12}, {title: "VERDICT", least: 8}, {title: "TOOK"}, {title: "REASON", least: 10}}, rows)
}
