package console

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"

	"github.com/jmespath/go-jmespath"
	"sigs.k8s.io/yaml"
)

// Column is one column of a table: a title and the JMESPath of its value.
type Column struct{ Title, Path string }

// Print writes a result in the chosen format. value is anything JSON can hold;
// columns are used for tables only.
func (c *Console) Print(value any, columns ...Column) error {
	data, err := normalise(value)
	if err != nil || data == nil {
		return err
	}
	format := c.format()
	if c.Query != "" {
		if data, err = jmespath.Search(c.Query, data); err != nil {
			return Usage("--query %q: %v", c.Query, err)
		}
		columns = nil
	}
	return write(c.Out, format, data, columns)
}

// ForPeople says whether results are laid out for people to read.
func (c *Console) ForPeople() bool { return c.format() == "table" && c.Query == "" }

func (c *Console) format() string {
	if c.Output != "" {
		return c.Output
	}
	if c.Interactive() && c.Query == "" {
		return "table"
	}
	return "json"
}

func write(w io.Writer, format string, data any, columns []Column) error {
	switch format {
	case "json", "jsonc":
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(data)
	case "yaml", "yamlc":
		out, err := yaml.Marshal(data)
		if err != nil {
			return err
		}
		_, err = w.Write(out)
		return err
	case "tsv":
		return writeTSV(w, data)
	case "csv":
		return writeCSV(w, data, columns)
	case "table":
		return writeTable(w, data, columns)
	case "none":
		return nil
	}
	return Usage("--output %q: choose table, json, yaml, tsv, csv or none", format)
}

// normalise turns any value into what encoding/json decodes to, numbers kept.
func normalise(value any) (any, error) {
	raw, ok := value.(json.RawMessage)
	if !ok {
		var err error
		if raw, err = json.Marshal(value); err != nil {
			return nil, err
		}
	}
	if len(raw) == 0 {
		return nil, nil
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("result is not JSON: %w", err)
	}
	return out, nil
}

func writeTSV(w io.Writer, data any) error {
	switch v := data.(type) {
	case []any:
		for _, item := range v {
			fmt.Fprintln(w, tsvLine(item))
		}
	case nil:
	default:
		fmt.Fprintln(w, tsvLine(v))
	}
	return nil
}

func tsvLine(item any) string {
	switch v := item.(type) {
	case []any:
		cells := make([]string, len(v))
		for i, x := range v {
			cells[i] = cell(x)
		}
		return strings.Join(cells, "\t")
	case map[string]any:
		return strings.Join(scalars(v), "\t")
	}
	return cell(item)
}

// writeCSV writes the columns of a table with their titles or, without columns,
// the rows that a query made.
func writeCSV(w io.Writer, data any, columns []Column) error {
	rows, ok := data.([]any)
	if !ok {
		rows = []any{data}
	}
	table := csv.NewWriter(w)
	if len(columns) > 0 {
		titles := make([]string, len(columns))
		for i, col := range columns {
			titles[i] = col.Title
		}
		_ = table.Write(titles) // Error tells below
	}
	for _, row := range rows {
		cells, err := csvRow(row, columns)
		if err != nil {
			return err
		}
		_ = table.Write(cells)
	}
	table.Flush()
	return table.Error()
}

func csvRow(row any, columns []Column) ([]string, error) {
	if len(columns) > 0 {
		return cellsOf(row, columns)
	}
	switch v := row.(type) {
	case []any:
		cells := make([]string, len(v))
		for i, x := range v {
			cells[i] = cell(x)
		}
		return cells, nil
	case map[string]any:
		return scalars(v), nil
	}
	return []string{cell(row)}, nil
}

func cellsOf(row any, columns []Column) ([]string, error) {
	cells := make([]string, len(columns))
	for i, col := range columns {
		v, err := jmespath.Search(col.Path, row)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", col.Title, err)
		}
		cells[i] = cell(v)
	}
	return cells, nil
}

func writeTable(w io.Writer, data any, columns []Column) error {
	rows, ok := data.([]any)
	if !ok {
		if len(columns) == 0 {
			return write(w, "yaml", data, nil)
		}
		rows = []any{data}
	}
	if len(rows) == 0 {
		fmt.Fprintln(w, "(none)")
		return nil
	}
	if len(columns) == 0 {
		return write(w, "yaml", data, nil)
	}
	t := tabwriter.NewWriter(w, 2, 4, 3, ' ', 0)
	titles := make([]string, len(columns))
	for i, col := range columns {
		titles[i] = strings.ToUpper(col.Title)
	}
	fmt.Fprintln(t, strings.Join(titles, "\t"))
	for _, row := range rows {
		cells, err := cellsOf(row, columns)
		if err != nil {
			return err
		}
		for i := range cells {
			cells[i] = readable(cells[i])
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}

// fraction is what a time or a duration has of a second: in a table it is in the way.
var fraction = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d|PT[0-9HM]*\d)\.\d+(Z|S)$`)

func readable(cell string) string { return fraction.ReplaceAllString(cell, "$1$2") }

// cell writes one value the way a person or a shell wants it.
func cell(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case float64:
		return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.6f", x), "0"), ".")
	case bool:
		return fmt.Sprint(x)
	}
	out, _ := json.Marshal(v) // it was decoded from JSON
	return string(out)
}
