package broker

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// asked is one participant of a matrix, and which of its versions.
type asked struct {
	name, version, branch, tag, environment string
	latest, main                            bool
}

// question is what a matrix is asked for.
type question struct {
	asked       []asked
	environment string // against what is there
	tag         string
	latest      bool // against the newest
	main        bool
}

// readQuestion reads the query of a matrix, in the order in which it stands: each q[][pacticipant] begins
// another.
func readQuestion(raw string) (question, error) {
	var q question
	for _, pair := range strings.Split(raw, "&") {
		k, v, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(k)
		if err != nil {
			return q, refuse(http.StatusBadRequest, "read query: %v", err)
		}
		value, err := url.QueryUnescape(v)
		if err != nil {
			return q, refuse(http.StatusBadRequest, "read query: %v", err)
		}
		q.set(key, value)
	}
	if len(q.asked) == 0 {
		return q, refuse(http.StatusBadRequest, "Please provide 1 or more version selectors.")
	}
	return q, nil
}

func (q *question) set(key, value string) {
	if key == "q[][pacticipant]" || key == "pacticipant" {
		q.asked = append(q.asked, asked{name: value})
	}
	yes := value == "true"
	switch key {
	case "environment":
		q.environment = value
	case "tag", "to":
		q.tag = value
	case "latest":
		q.latest = yes
	case "mainBranch":
		q.main = yes
	}
	if len(q.asked) == 0 {
		return
	}
	a := &q.asked[len(q.asked)-1]
	switch key {
	case "q[][version]", "version":
		a.version = value
	case "q[][branch]":
		a.branch = value
	case "q[][tag]":
		a.tag = value
	case "q[][environment]":
		a.environment = value
	case "q[][latest]":
		a.latest = yes
	case "q[][mainBranch]":
		a.main = yes
	}
}

// row is one pact between two versions.
type row struct {
	pact     Publication
	provider string // its version; "" where there is none
	result   *Result
}

// verdict is what a matrix comes to.
type verdict struct {
	rows    []row
	reasons []string
	success int
	failed  int
	unknown int
}

// deployable is true, false, or nil where nobody knows.
func (v verdict) deployable() any {
	switch {
	case v.failed > 0:
		return false
	case v.unknown > 0:
		return nil
	}
	return true
}

// judge answers a question.
func (d *Data) judge(q question) verdict {
	var v verdict
	for _, a := range q.asked {
		for _, version := range d.versionsOf(a) {
			d.asConsumer(&v, q, a.name, version)
			d.asProvider(&v, q, a.name, version)
		}
	}
	for _, r := range v.rows {
		switch {
		case r.result == nil:
			v.unknown++
			v.reasons = append(v.reasons, r.unknownReason(q))
		case r.result.Success:
			v.success++
		default:
			v.failed++
			v.reasons = append(v.reasons, fmt.Sprintf("The verification for the pact between version %s of %s and version %s of %s failed",
				r.pact.Version, r.pact.Consumer, r.provider, r.pact.Provider))
		}
	}
	if len(v.reasons) == 0 {
		text := "All required verification results are published and successful"
		if len(v.rows) == 0 {
			text = "There are no missing dependencies"
		}
		v.reasons = []string{text}
	}
	return v
}

func (r row) unknownReason(q question) string {
	if r.provider == "" {
		where := "with a result"
		if q.environment != "" {
			where = "currently deployed or released to " + q.environment
		}
		return fmt.Sprintf("There is no version of %s %s, which %s needs", r.pact.Provider, where, r.pact.Consumer)
	}
	return fmt.Sprintf("There is no verified pact between version %s of %s and version %s of %s",
		r.pact.Version, r.pact.Consumer, r.provider, r.pact.Provider)
}

// versionsOf returns the versions that a selector means.
func (d *Data) versionsOf(a asked) []string {
	switch {
	case a.version != "":
		return []string{a.version}
	case a.environment != "":
		e, _ := d.environment(a.environment)
		return d.deployed(a.name, e.ID)
	}
	branch := a.branch
	if a.main {
		branch = d.mainBranch(a.name)
	}
	if v := d.newest(a.name, branch, a.tag); v != nil {
		return []string{v.Number}
	}
	return nil
}

// asConsumer adds the pacts that a version published, each with the versions of its provider that count.
func (d *Data) asConsumer(v *verdict, q question, name, version string) {
	for _, p := range d.Pacts {
		if p.Consumer != name || p.Version != version || !q.includes(p.Provider) {
			continue
		}
		others := d.others(q, p.Provider, func(number string) bool { _, ok := d.result(p, number); return ok })
		if len(others) == 0 {
			v.add(d, p, "")
		}
		for _, number := range others {
			v.add(d, p, number)
		}
	}
}

// asProvider adds the pacts that the consumers' versions that count have with a version.
func (d *Data) asProvider(v *verdict, q question, name, version string) {
	for _, consumer := range d.consumers(name) {
		if !q.includes(consumer) {
			continue
		}
		for _, number := range d.others(q, consumer, func(number string) bool {
			p, ok := d.published(consumer, number, name)
			_, done := d.result(p, version)
			return ok && (done || q.latest)
		}) {
			if p, ok := d.published(consumer, number, name); ok {
				v.add(d, p, version)
			}
		}
	}
}

func (v *verdict) add(d *Data, p Publication, provider string) {
	r := row{pact: p, provider: provider}
	if found, ok := d.result(p, provider); ok {
		r.result = &found
	}
	same := func(o row) bool { return o.pact == p && o.provider == provider }
	if !slices.ContainsFunc(v.rows, same) {
		v.rows = append(v.rows, r)
	}
}

// includes reports whether a question between several participants is about this one too.
func (q question) includes(name string) bool {
	return len(q.asked) == 1 || slices.ContainsFunc(q.asked, func(a asked) bool { return a.name == name })
}

// others returns the versions of the other side that a question is about: what it says of it, what is in
// the environment, the newest, or the newest that fits.
func (d *Data) others(q question, name string, fits func(number string) bool) []string {
	for _, a := range q.asked {
		if a.name == name && len(q.asked) > 1 {
			return d.versionsOf(a)
		}
	}
	if q.environment != "" {
		e, _ := d.environment(q.environment)
		return d.deployed(name, e.ID)
	}
	branch := ""
	if q.main {
		branch = d.mainBranch(name)
	}
	if q.latest || q.tag != "" || q.main {
		if v := d.newest(name, branch, q.tag); v != nil {
			return []string{v.Number}
		}
		return nil
	}
	p := d.participant(name)
	if p == nil {
		return nil
	}
	for _, v := range slices.Backward(p.Versions) {
		if fits(v.Number) {
			return []string{v.Number}
		}
	}
	return nil
}

// consumers returns who has a pact with a provider.
func (d *Data) consumers(provider string) []string {
	var out []string
	for _, p := range d.Pacts {
		if p.Provider == provider {
			add(&out, p.Consumer)
		}
	}
	return out
}

// matrix answers a question with each pact and the whole.
func (b *Broker) matrix(x exchange) error {
	q, err := readQuestion(x.r.URL.RawQuery)
	if err != nil {
		return err
	}
	return b.answerQuestion(x, q)
}

// canIDeploy is the matrix of one version against an environment.
func (b *Broker) canIDeploy(x exchange) error {
	q, err := readQuestion(x.r.URL.RawQuery)
	if err != nil {
		return err
	}
	return b.answerQuestion(x, q)
}

func (b *Broker) answerQuestion(x exchange, q question) error {
	var doc object
	err := b.Store.View(func(d *Data) error {
		if _, known := d.environment(q.environment); q.environment != "" && !known {
			return refuse(http.StatusBadRequest, "Environment with name '%s' does not exist", q.environment)
		}
		for _, a := range q.asked {
			if a.version != "" && d.version(a.name, a.version) == nil {
				return refuse(http.StatusBadRequest, "No pacts or verifications have been published for version %s of %s", a.version, a.name)
			}
		}
		doc = x.verdictDoc(d, d.judge(q))
		return nil
	})
	if err != nil {
		return err
	}
	x.answer(http.StatusOK, doc)
	return nil
}

func (x exchange) verdictDoc(d *Data, v verdict) object {
	rows, notices := []any{}, []any{}
	for _, r := range v.rows {
		rows = append(rows, x.rowDoc(d, r))
	}
	kind := map[any]string{true: "success", false: "error", nil: "warning"}[v.deployable()]
	for _, reason := range v.reasons {
		notices = append(notices, notice(kind, "%s", reason))
	}
	return object{
		"summary": object{"deployable": v.deployable(), "reason": strings.Join(v.reasons, "\n"),
			"success": v.success, "failed": v.failed, "unknown": v.unknown},
		"notices": notices, "matrix": rows,
	}
}

func (x exchange) rowDoc(d *Data, r row) object {
	version := func(name, number string) any {
		if number == "" {
			return nil
		}
		branches := []any{}
		if v := d.version(name, number); v != nil {
			for _, branch := range v.Branches {
				branches = append(branches, object{"name": branch, "latest": d.newest(name, branch, "") == v})
			}
		}
		return object{"number": number, "branch": nil, "branches": branches, "branchVersions": branches, "environments": []any{}, "tags": []any{},
			"_links": object{"self": x.link(path("/pacticipants", name, "versions", number))}}
	}
	side := func(name, number string) object {
		return object{"name": name, "version": version(name, number), "_links": object{"self": x.link(path("/pacticipants", name))}}
	}
	doc := object{
		"consumer": side(r.pact.Consumer, r.pact.Version), "provider": side(r.pact.Provider, r.provider),
		"pact": object{"createdAt": r.pact.Created.UTC().Format(time.RFC3339),
			"_links": object{"self": x.link(r.pact.path("version", r.pact.Version))}},
		"verificationResult": nil,
	}
	if r.result != nil {
		doc["verificationResult"] = object{"success": r.result.Success, "verifiedAt": r.result.At.UTC().Format(time.RFC3339),
			"_links": object{"self": x.link(r.pact.path("pact-version", r.pact.Hash, "verification-results"))}}
	}
	return doc
}
