"""Runs a notebook with nbclient, as `jupyter execute` does, and prints its cells with what came of them: play.py NOTEBOOK KERNEL.

Fails if the kernel died, if a cell failed that is not tagged "raises-exception", or if one that is got no MemoryError.
"""
import sys

import nbformat
from nbclient import NotebookClient


def shown(output):
    if output["output_type"] == "error":
        return f"{output['ename']}: {output['evalue']}"
    return output["text"].rstrip() if output["output_type"] == "stream" else output["data"].get("text/plain", "")


def ran_out(output):
    return output["output_type"] == "error" and output["ename"].endswith("MemoryError")  # NumPy has one of its own


def indented(first, text):
    return first + text.replace("\n", "\n" + " " * len(first))


def main(notebook, kernel):
    book = nbformat.read(notebook, as_version=4)
    NotebookClient(book, kernel_name=kernel, timeout=120).execute()
    for cell in book.cells:
        if cell.cell_type == "markdown":
            print(f"\n{cell.source}\n")
            continue
        number = cell.execution_count
        print(indented(f"In [{number}]:  ", cell.source))
        for output in cell.outputs:
            print(indented(f"Out[{number}]:  ", shown(output)))
        if "raises-exception" in cell.metadata.get("tags", []) and not any(ran_out(output) for output in cell.outputs):
            sys.exit(f"Cell {number} should have got a MemoryError.")


if __name__ == "__main__":
    main(*sys.argv[1:])
