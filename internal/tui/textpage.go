package tui

// text is a page that is only read: all about one span or one line.
type text struct {
	list
	name string
	rows func(m *model, w int) []string
}

func (v *text) title(*model) string   { return v.name }
func (v *text) cursor() *list         { return &v.list }
func (v *text) keys(*model) []binding { return nil }

func (v *text) draw(m *model, w, h int) []string {
	rows := v.rows(m, w-2)
	for i := range rows {
		rows[i] = "  " + rows[i]
	}
	return v.window(rows, h)
}
