package verify

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
)

// String returns the mismatch on one line: "body $.name: …".
func (m Mismatch) String() string {
	if m.Identifier == "" {
		return m.Attribute + ": " + m.Description
	}
	return m.Attribute + " " + m.Identifier + ": " + m.Description
}

// explain is what went wrong in one interaction.
func (r Result) explain() string {
	var lines []string
	if r.Reason != "" {
		lines = append(lines, r.Reason)
	}
	for _, m := range r.Mismatches {
		lines = append(lines, m.String())
	}
	return strings.Join(lines, "\n")
}

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string      `xml:"classname,attr"`
	Name    string      `xml:"name,attr"`
	Failure *junitFault `xml:"failure"`
	Error   *junitFault `xml:"error"`
	Skipped *junitFault `xml:"skipped"`
}

type junitFault struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit returns the reports as XML: a suite for each provider; what is broken is a failure, what could not
// be tried or is unknown an error, what is pending skipped.
func JUnit(reports []Report) []byte {
	var all junitSuites
	for _, r := range reports {
		s := junitSuite{Name: r.Provider, Tests: len(r.Results), Time: fmt.Sprintf("%.3f", r.Took.Seconds())}
		for _, one := range r.Results {
			c := junitCase{Class: one.Edge(), Name: one.Interaction}
			first, _, _ := strings.Cut(one.explain(), "\n")
			fault := &junitFault{Message: first, Text: one.explain()}
			switch one.Outcome {
			case Broken:
				c.Failure = fault
				s.Failures++
			case Failed, Unknown:
				c.Error = fault
				s.Errors++
			case Pending:
				c.Skipped = fault
				s.Skipped++
			}
			s.Cases = append(s.Cases, c)
		}
		all.Suites = append(all.Suites, s)
	}
	var out bytes.Buffer
	out.WriteString(xml.Header)
	e := xml.NewEncoder(&out)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		panic(fmt.Sprintf("write JUnit: %v", err)) // the types are our own
	}
	out.WriteByte('\n')
	return out.Bytes()
}

// Annotations returns the commands that GitHub Actions shows beside a pact; file names the pact of an edge.
func Annotations(reports []Report, file func(edge string) string) []string {
	var out []string
	for _, r := range reports {
		for _, one := range r.Results {
			level := map[Outcome]string{Broken: "error", Failed: "error", Unknown: "warning", Pending: "notice"}[one.Outcome]
			if level == "" {
				continue
			}
			out = append(out, fmt.Sprintf("::%s file=%s,title=%s::%s", level, property(file(one.Edge())),
				property(fmt.Sprintf("contract %s %s", one.Edge(), one.Outcome)), message(one.Interaction+"\n"+one.explain())))
		}
	}
	return out
}

// message escapes a text of a workflow command, so that it cannot begin another.
func message(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// property escapes a property of a workflow command.
func property(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(message(s))
}
