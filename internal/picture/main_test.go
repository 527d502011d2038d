package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestDraw turns a screen with colours, wide letters and marks of XML into well-formed SVG.
func TestDraw(t *testing.T) {
	var out bytes.Buffer
	in := "plain \x1b[1mbold\x1b[0m \x1b[32mgreen\x1b[39m \x1b[2mfaint\x1b[0m\n\x1b[7m▌ chosen <&> 日本\x1b[0m\n\n\x1b[38;5;160mred\x1b[48;5;240m grey\x1b[m\n"
	if err := draw(strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(bytes.NewReader(out.Bytes())); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("not XML: %v\n%s", err, &out)
		}
	}
	for _, want := range []string{`font-weight="bold"`, palette[2], `opacity="0.6"`, "chosen &lt;&amp;&gt; 日本", "#d70000", "#585858", `width="142.8"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in the picture:\n%s", want, &out)
		}
	}
}
