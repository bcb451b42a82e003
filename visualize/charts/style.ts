/** The style of a chart outside the page: in a README, or opened as a file. */
export const style = `
.box { fill: #ffffff; stroke: #8c959f; }
.compound > .box, .parallel > .box { fill: #f6f8fa; stroke: #afb8c1; }
.state.final > .box { fill: #f6f8fa; }
.outside > .box { fill: none; stroke: #afb8c1; }
.rim { fill: none; stroke: #8c959f; }
.name { fill: #1f2328; font-weight: 600; }
.outside > .name { font-weight: 400; }
.note, .inner, .legend { fill: #57606a; }
.description { fill: #57606a; font-style: italic; }
.line { stroke: #6e7781; stroke-width: 1.2; }
.arrow { fill: #6e7781; }
.dot { fill: #1f2328; }
.shared { display: none; }
.label-box { fill: #e6f2fd; }
.label { fill: #0550ae; }
.guard { fill: #57606a; }
@media (prefers-color-scheme: dark) {
.box { fill: #212830; stroke: #656c76; }
.compound > .box, .parallel > .box { fill: #151b23; stroke: #3d444d; }
.state.final > .box { fill: #151b23; }
.outside > .box { stroke: #3d444d; }
.rim { stroke: #656c76; }
.name { fill: #f0f6fc; }
.note, .inner, .description, .legend { fill: #9198a1; }
.line { stroke: #7d8590; }
.arrow { fill: #7d8590; }
.dot { fill: #f0f6fc; }
.label-box { fill: #14243b; }
.label { fill: #79c0ff; }
.guard { fill: #9198a1; }
}
`;
