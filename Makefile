# make demo: install hark and ask it about a recording.   make page: the same in the browser.   make test: install what tests need and pass them.
VENV ?= .venv
TESTED ?= .venv-test
CLIENTS := tests/server/clients

.PHONY: demo page test test-fastrtc lint clean

demo: $(VENV)/.installed
	$(VENV)/bin/hark ask examples/standup.flac "Summarize key decisions and list action items with assignees."

page: $(VENV)/.served
	$(VENV)/bin/hark serve --open

test: $(TESTED)/.installed $(CLIENTS)/node_modules/.installed
	$(TESTED)/bin/python -m pytest -n auto

test-fastrtc:
	bash scripts/test_fastrtc.sh .venv-fastrtc

lint: $(TESTED)/.installed
	$(TESTED)/bin/ruff check
	$(TESTED)/bin/ruff format --check
	$(TESTED)/bin/mypy

$(VENV)/.installed: pyproject.toml scripts/setup.sh
	bash scripts/setup.sh $(VENV) -e .
	@touch $@

$(VENV)/.served: $(VENV)/.installed
	bash scripts/setup.sh $(VENV) -e '.[serve]'
	@touch $@

$(TESTED)/.installed: pyproject.toml tests/lock.txt scripts/setup.sh
	bash scripts/setup.sh $(TESTED) -c tests/lock.txt -e '.[evaluate,music,serve,train,transformers,webrtc,dev]'
	@touch $@

$(CLIENTS)/node_modules/.installed: $(CLIENTS)/package-lock.json scripts/clients.sh
	bash scripts/clients.sh $(CLIENTS)
	@mkdir -p $(@D) && touch $@

clean:
	rm -rf $(VENV) $(TESTED) .venv-fastrtc $(CLIENTS)/node_modules
