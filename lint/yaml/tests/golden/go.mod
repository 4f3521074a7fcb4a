module buttress.dev/yaml/golden

go 1.26

require (
	k8s.io/apimachinery v0.34.1
	sigs.k8s.io/yaml v1.6.0 // indirect
)

require (
	go.yaml.in/yaml/v2 v2.4.2 // indirect
	sigs.k8s.io/json v0.0.0-20241014173422-cfa47c3a1cc8 // indirect
)
