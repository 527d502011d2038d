package experiment

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestVariables names each variable that nothing gives, at its line, and leaves alone what is none.
func TestVariables(t *testing.T) {
	const begin = "title: a\nsetup:\n  - {http: POST shop/token, keep: {token: access_token, id: id}}\n"
	look := "after:\n  - %\n"
	load := "after: [{http: GET shop/}]\nworkload:\n  name: visits\n  rate: 1\n  for: 1s\n  %\n"
	act := "after: [{http: GET shop/}]\nfaults:\n  - {at: 1s, %}\n"
	for _, c := range []struct{ where, text, want string }{
		{look, `{http: GET shop/, header: {Authorization: "Bearer ${tokn}"}}`, "a.yaml:5:47: nothing gives ${tokn}: no step keeps it hint: did you mean token?"},
		{look, `{http: GET shop/, header: {Authorization: "Bearer ${token}"}}`, ""},
		{look, `{http: "GET shop/${dir}/${seed}/${rnu}"}`, "nothing gives ${rnu}: no step keeps it hint: did you mean run?"},
		{look, `{http: GET shop/, json: {a: ["${tokn}"]}}`, "${tokn}"},
		{look, `{http: GET shop/, json: {"${tokn}": 1}}`, "${tokn}"},
		{look, `{http: GET shop/, header: {"${tokn}": a}}`, ""}, // the names of headers are not filled in
		{look, `{http: GET shop/, at: a, want: "${elsewhere}"}`, "nothing gives ${elsewhere}: no step keeps it hint: known are dir, id, run, seed, token"},
		{look, `{http: GET shop/, want: "~ ${tokn}"}`, ""}, // a pattern
		{look, `{http: GET shop/, name: "${tokn}"}`, ""},
		{look, `{http: GET shop/, holds: "${Token}"}`, "${Token} is no variable hint: write ${token}: a name has small letters, digits and _"},
		{look, `{http: GET shop/, holds: "${HOME} {tokn} $tokn ${}"}`, ""},
		{look, `{http: GET shop/, holds: "${n}"}`, "${n} is the number of a request: only a workload of http has it"},
		{look, `{sql: db, query: "SELECT '${tokn}'", want: 1}`, "${tokn}"},
		{look, `{sql: db, query: "SELECT 1", want: "${tokn}"}`, ""}, // compared as it is
		{look, `{redis: db, do: [GET, "${tokn}"], want: 1}`, "${tokn}"},
		{look, `{log: shop, find: "${tokn}"}`, "${tokn}"},
		{look, `{traces: "name=${tokn}"}`, "${tokn}"},
		{look, `{file: "${tokn}"}`, "${tokn}"},
		{look, `{run: "shop check ${tokn}"}`, "${tokn}"},
		{look, `{cmd: "for tokn in 1; do echo ${tokn}; done"}`, ""}, // of the shell
		{look, `{cmd: [/bin/sh, -ec, "echo ${tokn}"]}`, ""},
		{look, `{cmd: [./check, "${tokn}"]}`, "${tokn}"},
		{look, `{cmd: "true", env: {A: "${tokn}"}}`, "${tokn}"},
		{look, `{same: [{http: GET shop/}, {http: GET shop/, body: "${tokn}"}]}`, "${tokn}"},
		{load, `http: "GET shop/${n}/${run}"`, ""},
		{load, `http: "GET shop/${nn}"`, "nothing gives ${nn}"},
		{act, `http: "GET shop/${tokn}"`, "${tokn}"},
		{act, `http: "GET shop/${later}", keep: {later: id}`, ""},
		{act, `publish: broker, key: a, json: {a: "${tokn}"}`, "${tokn}"},
		{act, `sql: db, exec: "DELETE FROM a WHERE b = '${tokn}'"`, "${tokn}"},
		{act, `fault: "shop:bank abort match=/${tokn}"`, ""}, // not filled in
	} {
		told := ""
		if _, err := Parse("a.yaml", []byte(begin+strings.Replace(c.where, "%", c.text, 1))); err != nil {
			told = strings.ReplaceAll(err.Error(), "\n\thint: ", " hint: ")
		}
		if (c.want == "") != (told == "") || !strings.Contains(told, c.want) {
			t.Errorf("%s: got %q, want %q", c.text, told, c.want)
		}
	}
}

// TestVariablesOfToolkit takes what the configuration gives, and names the rest in the places that it is filled into.
func TestVariablesOfToolkit(t *testing.T) {
	for provider, want := range map[string]string{
		`{"type": "http", "url": "http://shop/${Path-1}/${run}"}`:                                     "",
		`{"type": "http", "url": "http://shop/${route}", "headers": {"A": "${HOME}"}}`:                "",
		`{"type": "http", "url": "http://shop/${rute}"}`:                                              "a.yaml:2:84: nothing gives ${rute}: the configuration has no such name hint: did you mean route?",
		`{"type": "http", "url": "http://shop/", "headers": {"A": "${rute}"}}`:                        "${rute}",
		`{"type": "process", "path": "echo", "arguments": ["${rute}"]}`:                               "${rute}",
		`{"type": "process", "path": "bash", "arguments": ["-c", "for rute in 1; echo ${rute}"]}`:     "",
		`{"type": "http", "url": "http://shop/", "method": "POST", "arguments": {"text": "${rute}"}}`: "",
	} {
		told := ""
		text := `{"title": "a", "configuration": {"Path-1": "a", "route": "items"},
  "method": [{"type": "action", "name": "ask", "provider": ` + provider + `}]}`
		if _, err := Parse("a.yaml", []byte(text)); err != nil {
			told = strings.ReplaceAll(err.Error(), "\n\thint: ", " hint: ")
		}
		if (want == "") != (told == "") || !strings.Contains(told, want) {
			t.Errorf("%s: got %q, want %q", provider, told, want)
		}
	}
}

// TestReferenceIsRead reads the experiments and invariants of the reference fleet.
func TestReferenceIsRead(t *testing.T) {
	files, err := filepath.Glob("../experiments/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range append(files, "../invariants.yaml") {
		if _, err := Read(file, file); err != nil {
			t.Error(err)
		}
	}
}
