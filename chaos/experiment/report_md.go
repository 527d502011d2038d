package experiment

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

// Markdown is the journal as a page for people.
func (j *Journal) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", line(j.Experiment.Title))
	fmt.Fprintf(&b, "**%s**, %s, run %s, %s\n", j.Verdict, time.Duration(j.Duration*float64(time.Second)).Round(100*time.Millisecond), j.ID, j.Start.UTC().Format(time.RFC3339))
	if j.Reason != "" {
		fmt.Fprintf(&b, "\n> %s\n", line(j.Reason))
	}
	if d := strings.TrimSpace(j.Experiment.Description); d != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.ReplaceAll(d, "<", "&lt;"))
	}
	b.WriteString("\n## Probes\n\n| | phase | probe | seen | looks | failed |\n| --- | --- | --- | --- | ---: | ---: |\n")
	for _, p := range j.Probes {
		seen := p.Value
		if p.Why != "" {
			seen = p.Why
		}
		if p.Error != "" {
			seen = p.Error
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %d | %d |\n", mark(p.Held), p.Phase, line(p.Name), line(seen), p.Looks, p.Failed)
	}
	if len(j.Faults) > 0 {
		b.WriteString("\n## Faults\n\n| fault | from | to | ended by | acted on | seed |\n| --- | ---: | ---: | --- | ---: | --- |\n")
		for _, f := range j.Faults {
			var acted int64
			var seeds []string
			for _, one := range f.Faults {
				acted += one.Acted
				seeds = append(seeds, fmt.Sprint(one.Seed))
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %d | %s |\n", line(f.Name), seconds(f.From), seconds(f.To), line(f.EndedBy), acted, strings.Join(seeds, " "))
		}
	}
	if len(j.Loads) > 0 {
		b.WriteString("\n## Workload\n\n| workload | done | well | p50 | p95 | longest | |\n| --- | ---: | ---: | ---: | ---: | ---: | --- |\n")
		for _, l := range j.Loads {
			fmt.Fprintf(&b, "| %s | %d | %s | %s | %s | %s | %s |\n", line(l.Name), l.Done, share(l.OK, l.Done), milli(l.P50), milli(l.P95), milli(l.Max), line(l.whys()))
		}
	}
	b.WriteString("\n## What happened\n\n")
	for _, e := range j.Told {
		fmt.Fprintf(&b, "- %s %s: %s\n", seconds(e.At), e.Sort, line(e.Text))
	}
	return b.String()
}

// whys lists what was wrong with requests.
func (t Tally) whys() string {
	var all []string
	for _, why := range sorted(t.Why) {
		all = append(all, fmt.Sprintf("%d × %s", t.Why[why], why))
	}
	return strings.Join(all, "; ")
}

// line makes text fit for a cell or a line of Markdown, and inert there.
func line(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", "&lt;", "`", "\\`", "*", `\*`, "[", `\[`, "]", `\]`, "!", `\!`).Replace(s)
}

func mark(held bool) string {
	if held {
		return "✓"
	}
	return "✗"
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }

func milli(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }

// junit is the form that CI servers read.
type junit struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Time     string      `xml:"time,attr"`
	At       string      `xml:"timestamp,attr"`
	Cases    []junitCase `xml:"testcase"`
	Out      string      `xml:"system-out"`
}

type junitCase struct {
	Class   string     `xml:"classname,attr"`
	Name    string     `xml:"name,attr"`
	Time    string     `xml:"time,attr"`
	Failure *junitText `xml:"failure"`
	Error   *junitText `xml:"error"`
}

type junitText struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit is the journal as CI servers read it: a case for each probe, and one for how it ended where that is of no probe.
func (j *Journal) JUnit() ([]byte, error) {
	out := junit{Name: plain(j.Experiment.Title), Time: fmt.Sprintf("%.3f", j.Duration), At: j.Start.UTC().Format("2006-01-02T15:04:05")}
	for _, p := range j.Probes {
		c := junitCase{Class: plain(j.Experiment.File), Name: plain(p.Phase + ": " + p.Name), Time: fmt.Sprintf("%.3f", p.Took.Seconds())}
		switch {
		case p.Error != "":
			c.Error = &junitText{plain(p.Error), plain(p.Place)}
			out.Errors++
		case !p.Held:
			c.Failure = &junitText{plain(p.Why), plain(p.Place)}
			out.Failures++
		}
		out.Cases = append(out.Cases, c)
	}
	if j.Verdict != Held && out.Errors+out.Failures == 0 {
		out.Cases = append(out.Cases, junitCase{Class: plain(j.Experiment.File), Name: "verdict",
			Error: &junitText{plain(j.Reason), string(j.Verdict)}})
		out.Errors++
	}
	out.Tests = len(out.Cases)
	var story strings.Builder
	for _, e := range j.Told {
		fmt.Fprintf(&story, "%s %s: %s\n", seconds(e.At), e.Sort, plain(e.Text))
	}
	out.Out = story.String()
	body, err := xml.MarshalIndent(out, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write JUnit: %w", err)
	}
	return append([]byte(xml.Header), append(body, '\n')...), nil
}

// plain leaves out what XML cannot hold.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0xfffe || r == 0xffff {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
