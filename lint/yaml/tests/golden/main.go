// Golden writes what kubectl's decoder makes of texts, for the tests of buttress-yaml, which need no Go then.
//
//	go run . cases < cases.json > golden.json     the value or error of every document of hand-made cases
//	go run . corpus FOLDER > corpus.txt           hashes of files and of the value of each of their documents
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"unicode/utf8"

	jsonutil "k8s.io/apimachinery/pkg/util/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

type document struct {
	Value any    `json:"value,omitempty"`
	Error string `json:"error,omitempty"`
}

// decode reads a text as kubectl does, a broken document giving its error; empty ones are left out, as kubectl does.
func decode(text []byte) []document {
	documents := []document{}
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		var raw json.RawMessage
		err := decoder.Decode(&raw)
		if err == io.EOF {
			return documents
		}
		if err != nil {
			documents = append(documents, document{Error: err.Error()})
			if _, isYAML := err.(utilyaml.YAMLSyntaxError); !isYAML && len(documents) > 2 {
				return documents // a JSON stream ends with its first error
			}
			continue
		}
		if len(bytes.TrimSpace(raw)) == 0 {
			continue // nothing but comments
		}
		var value any
		if err := jsonutil.Unmarshal(raw, &value); err != nil {
			documents = append(documents, document{Error: err.Error()})
		} else if value != nil {
			documents = append(documents, document{Value: value})
		}
	}
}

// canonical writes a value so that two programs agree on every byte.
func canonical(out *strings.Builder, value any) {
	switch value := value.(type) {
	case nil:
		out.WriteString("n")
	case bool:
		fmt.Fprintf(out, "%t", value)
	case int64:
		fmt.Fprintf(out, "%d", value)
	case float64:
		if value == math.Trunc(value) && math.Abs(value) < 9.2e18 {
			fmt.Fprintf(out, "%d", int64(value))
		} else {
			fmt.Fprintf(out, "f%016x", math.Float64bits(value))
		}
	case string:
		fmt.Fprintf(out, "s%d:%s", len(value), value)
	case []any:
		out.WriteString("[")
		for _, item := range value {
			canonical(out, item)
			out.WriteString(",")
		}
		out.WriteString("]")
	case map[string]any:
		keys := make([]string, 0, len(value))
		for key := range value {
			keys = append(keys, key)
		}
		sort.Strings(keys)
		out.WriteString("{")
		for _, key := range keys {
			fmt.Fprintf(out, "s%d:%s=", len(key), key)
			canonical(out, value[key])
			out.WriteString(",")
		}
		out.WriteString("}")
	}
}

func hash(text []byte) uint64 {
	sum := fnv.New64a()
	sum.Write(text)
	return sum.Sum64()
}

func digest(one document) string {
	if one.Error != "" {
		return "error"
	}
	var out strings.Builder
	canonical(&out, one.Value)
	return fmt.Sprintf("%08x", uint32(hash([]byte(out.String()))))
}

func main() {
	if os.Args[1] == "cases" {
		var cases []struct {
			Name string `json:"name"`
			Text string `json:"text"`
		}
		if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
			panic(err)
		}
		fmt.Println("[")
		for at, one := range cases {
			line, err := json.Marshal(map[string]any{"name": one.Name, "documents": decode([]byte(one.Text))})
			if err != nil {
				panic(err)
			}
			comma := ","
			if at == len(cases)-1 {
				comma = ""
			}
			fmt.Printf("%s%s\n", line, comma)
		}
		fmt.Println("]")
		return
	}
	lines := map[string]bool{}
	err := filepath.WalkDir(os.Args[2], func(path string, entry fs.DirEntry, err error) error {
		extension := filepath.Ext(path)
		if err != nil || entry.IsDir() || extension != ".yaml" && extension != ".yml" && extension != ".json" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !utf8.Valid(text) {
			return err
		}
		digests := []string{}
		for _, one := range decode(text) {
			digests = append(digests, digest(one))
		}
		lines[fmt.Sprintf("%016x %s", hash(text), strings.Join(digests, " "))] = true
		return nil
	})
	if err != nil {
		panic(err)
	}
	sorted := make([]string, 0, len(lines))
	for line := range lines {
		sorted = append(sorted, line)
	}
	sort.Strings(sorted)
	fmt.Println(strings.Join(sorted, "\n"))
}
